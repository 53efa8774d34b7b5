//! Drives [`Discovery`]: reads what containers announce, on a thread of its own, and tells ingest.

use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use soundport_core::discovery::{Discovery, DiscoveryCounters, DiscoveryEvent};
use soundport_core::ingest::Farewell;
use tracing::{debug, error, trace};

use crate::ingest::IngestHandle;
use crate::memory::Memory;
use crate::multicast;
use crate::network::is_private;

/// Larger than any announcement: what does not fit is for discovery to judge.
const BUFFER_BYTES: usize = 8192;

/// A timeout of zero would mean none.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// After an error that comes again at once, the thread rests.
const REST: Duration = Duration::from_millis(100);

/// What happened at the announcements' port, as the other threads see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SapCounters(Arc<Mutex<(DiscoveryCounters, u64)>>);

impl SapCounters {
    /// What was met so far, and how many datagrams came from outside private networks.
    pub(crate) fn get(&self) -> (DiscoveryCounters, u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread on `socket`. It also hears what is announced to PulseAudio's default group: PipeWire's module
/// announces there even what it sends to the relay alone.
pub(crate) fn start(socket: UdpSocket, memory: Memory, ingest: IngestHandle) -> anyhow::Result<SapCounters> {
    socket.set_nonblocking(false).context("Failed to set up the announcements' socket")?;
    let counters = SapCounters::default();
    let driver = Driver {
        socket,
        joined: None,
        discovery: Discovery::new(),
        memory,
        unkept: false,
        ingest,
        strangers: 0,
        counters: counters.clone(),
    };
    thread::Builder::new()
        .name("discovery".into())
        .spawn(move || driver.run())
        .context("Failed to start discovery")?;
    Ok(counters)
}

struct Driver {
    socket: UdpSocket,
    joined: Option<Instant>,
    discovery: Discovery,
    memory: Memory,
    /// Something was announced or withdrawn that the memory was not told of.
    unkept: bool,
    ingest: IngestHandle,
    strangers: u64,
    counters: SapCounters,
}

impl Driver {
    fn run(mut self) {
        let mut buffer = vec![0; BUFFER_BYTES];
        for announcement in self.memory.announcements() {
            self.discovery.restore(announcement, Instant::now());
        }
        loop {
            let now = Instant::now();
            self.join_group(now);
            self.discovery.handle_timeout(now);
            self.tell();
            let due = self.discovery.poll_timeout().map(|at| at.saturating_duration_since(now));
            let due = due.unwrap_or(multicast::LOOK_EVERY).clamp(SHORTEST_WAIT, multicast::LOOK_EVERY);
            if let Err(failure) = self.socket.set_read_timeout(Some(due)) {
                error!(%failure, "Discovery cannot wait for announcements and ends");
                return;
            }
            self.read(&mut buffer);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        match self.socket.recv_from(buffer) {
            Ok((length, from)) if is_private(from.ip()) => {
                self.discovery.handle_datagram(from.ip(), &buffer[..length], Instant::now());
            }
            Ok((_, from)) => {
                self.strangers += 1;
                trace!(%from, count = self.strangers, "Announcement from outside private networks dropped");
            }
            Err(failure) if matches!(failure.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            }
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => {
                debug!(%failure, "Failed to read an announcement");
                thread::sleep(REST);
            }
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.discovery.poll_event() {
            self.unkept = true;
            match event {
                DiscoveryEvent::Announced(announcement) => self.ingest.announce(announcement),
                DiscoveryEvent::Goodbye(key) => self.ingest.withdraw(key, Farewell::Goodbye),
                DiscoveryEvent::Expired(key) => self.ingest.withdraw(key, Farewell::Expired),
            }
        }
        if self.unkept {
            self.unkept = !self.memory.keep(self.discovery.announcements(), Instant::now());
        }
        *self.counters.0.lock().unwrap_or_else(PoisonError::into_inner) =
            (self.discovery.counters(), self.strangers);
    }

    fn join_group(&mut self, now: Instant) {
        if self.joined.is_none_or(|joined| now >= joined + multicast::LOOK_EVERY) {
            self.joined = Some(now);
            multicast::join(&self.socket, multicast::DEFAULT_GROUP);
        }
    }
}
