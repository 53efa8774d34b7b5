use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Random;

/// So much is on the wire at most, each way: as much as a home router holds.
const PIECES: usize = 256;
const PIECE_BYTES: usize = 1500;

/// A stretch of network that TCP passes: it can be made uneven, or stand still. What is sent arrives whole and in order.
#[derive(Debug)]
pub struct RoughWire {
    address: SocketAddr,
    weather: Arc<Weather>,
}

#[derive(Debug)]
struct Weather {
    jitter_us: AtomicUsize,
    still_until: Mutex<Instant>,
}

impl RoughWire {
    /// Leads from a port of this host's loopback to `target`. Serves until the process ends.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let weather =
            Arc::new(Weather { jitter_us: AtomicUsize::new(0), still_until: Mutex::new(Instant::now()) });
        let shared = Arc::clone(&weather);
        thread::Builder::new().name("wire".into()).spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(target) else { continue };
                // Who cannot be served is cut off.
                let _ = lead(&near, &far, &shared).and_then(|()| lead(&far, &near, &shared));
            }
        })?;
        Ok(Self { address, weather })
    }

    /// Its near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays everything from now on, each piece by another time, at most so much.
    pub fn jitter(&self, most: Duration) {
        self.weather.jitter_us.store(most.as_micros() as usize, Ordering::Relaxed);
    }

    /// Lets nothing pass for so long.
    pub fn stall(&self, length: Duration) {
        *self.weather.still_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + length;
    }
}

impl Weather {
    fn still_until(&self) -> Instant {
        *self.still_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leads one way on threads of its own, until either end closes.
fn lead(from: &TcpStream, to: &TcpStream, weather: &Arc<Weather>) -> Result<()> {
    from.set_nodelay(true)?;
    let (sender, receiver) = mpsc::sync_channel(PIECES);
    let (from, to) = (from.try_clone()?, to.try_clone()?);
    let (entering, leaving) = (Arc::clone(weather), Arc::clone(weather));
    thread::Builder::new().name("wire in".into()).spawn(move || enter(from, &sender, &entering))?;
    thread::Builder::new().name("wire out".into()).spawn(move || leave(to, &receiver, &leaving))?;
    Ok(())
}

fn enter(mut from: TcpStream, wire: &SyncSender<(Instant, Vec<u8>)>, weather: &Weather) {
    let mut random = Random::new(u64::from(from.peer_addr().map_or(0, |peer| peer.port())));
    let mut buffer = [0; PIECE_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let most = weather.jitter_us.load(Ordering::Relaxed);
        let due = Instant::now() + Duration::from_micros(random.below(most + 1) as u64);
        if wire.send((due, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}

fn leave(mut to: TcpStream, wire: &Receiver<(Instant, Vec<u8>)>, weather: &Weather) {
    while let Ok((due, piece)) = wire.recv() {
        loop {
            let due = due.max(weather.still_until());
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            thread::sleep(wait);
        }
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_late_but_whole() {
        let far = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = RoughWire::start(far.local_addr().unwrap()).unwrap();
        let mut near = TcpStream::connect(wire.address()).unwrap();
        let (mut far, _) = far.accept().unwrap();
        let mut arrival = |what: &[u8]| {
            let begin = Instant::now();
            near.write_all(what).unwrap();
            let mut came = vec![0; what.len()];
            far.read_exact(&mut came).unwrap();
            assert_eq!(came, what);
            begin.elapsed()
        };
        arrival(b"plain");
        wire.stall(Duration::from_millis(300));
        assert!(arrival(b"still") >= Duration::from_millis(280));
        wire.jitter(Duration::from_millis(100));
        let latest = (0..40).map(|index| arrival(&[index; 3000])).max().unwrap();
        assert!(latest > Duration::from_millis(50), "{latest:?}");
    }
}
