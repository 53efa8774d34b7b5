//! Media over TCP (RFC 6544): the connections that browsers make to the HTTPS port, and the frames in them (RFC 4571).

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;
use socket2::SockRef;
use soundport_core::fanout::{LocalAddr, PeerAddr, Transmit};
use tracing::debug;

/// The largest frame: what the media socket takes as one datagram.
pub(crate) const MAX_FRAME_BYTES: usize = 2048;

/// The length before each frame (RFC 4571, section 2).
const HEADER_BYTES: usize = 2;

/// A connection that belongs to no session for so long is closed.
const STRANGE_FOR: Duration = Duration::from_secs(5);

/// Connections that belong to no session yet, of all and of one address.
const MAX_STRANGERS: usize = 256;
const MAX_STRANGERS_OF_ONE: usize = 32;

/// Sound that waits in the kernel is late sound: beyond what is on its way so much may wait, a quarter of a second.
const MAX_UNSENT_BYTES: u32 = 4096;

/// How often it is looked for connections that belong to nobody.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A connection that begins as one of media does, and what was read of it.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) begun: Vec<u8>,
}

/// What happened to connections, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TcpCounters {
    /// Those that are open.
    pub(crate) open: usize,
    /// Closed for what they sent, or because they belonged to no session.
    pub(crate) closed: u64,
    /// Frames that were not sent, for those before them were still waiting.
    pub(crate) dropped: u64,
}

/// All connections of one thread.
pub(crate) struct Connections {
    first_token: usize,
    open: Slab<Connection>,
    index_by_peer: HashMap<PeerAddr, usize>,
    /// Those that may have something to read.
    ready: VecDeque<usize>,
    /// How many belong to no session, by address.
    strangers: HashMap<IpAddr, usize>,
    next_sweep: Option<Instant>,
    counters: TcpCounters,
}

struct Connection {
    stream: TcpStream,
    from: PeerAddr,
    to: LocalAddr,
    since: Instant,
    /// Whether it has ever belonged to a session.
    known: bool,
    /// What came, from the beginning of a frame.
    received: Vec<u8>,
    /// The rest of a frame of which the beginning was sent.
    unsent: Vec<u8>,
}

/// What is wrong with a connection.
#[derive(Debug)]
#[expect(dead_code, reason = "what is in it is read by people, in the log")]
enum Broken {
    Ended,
    Lies(usize),
    Failed(io::Error),
}

impl Connections {
    /// None yet. Their tokens begin at `first_token`.
    pub(crate) fn new(first_token: usize) -> Self {
        Self {
            first_token,
            open: Slab::new(),
            index_by_peer: HashMap::new(),
            ready: VecDeque::new(),
            strangers: HashMap::new(),
            next_sweep: None,
            counters: TcpCounters::default(),
        }
    }

    /// Takes a connection over, to be told of by `registry`.
    pub(crate) fn take(&mut self, accepted: Accepted, registry: &Registry, now: Instant) {
        let of_one =
            accepted.stream.peer_addr().ok().and_then(|peer| self.strangers.get(&peer.ip().to_canonical()));
        let of_all: usize = self.strangers.values().sum();
        if of_all >= MAX_STRANGERS || of_one.is_some_and(|count| *count >= MAX_STRANGERS_OF_ONE) {
            self.counters.closed += 1;
            debug!("Too many TCP connections belong to nobody, one is refused");
            return;
        }
        let token = Token(self.first_token + self.open.vacant_key());
        match Connection::new(accepted, registry, token, now) {
            Ok(connection) => {
                self.next_sweep.get_or_insert(now + SWEEP_EVERY);
                let from = connection.from;
                *self.strangers.entry(from.address().ip()).or_default() += 1;
                let index = self.open.insert(connection);
                if let Some(before) = self.index_by_peer.insert(from, index) {
                    self.close(before);
                    self.index_by_peer.insert(from, index);
                }
                self.ready.push_back(index);
            }
            Err(error) => debug!(%error, "TCP connection not taken"),
        }
    }

    /// Something happened to the connection of that token.
    pub(crate) fn wake(&mut self, token: Token) {
        let index = token.0.wrapping_sub(self.first_token);
        let Some(connection) = self.open.get_mut(index) else { return };
        if let Err(broken) = connection.flush() {
            self.part(index, &broken);
        } else if !self.ready.contains(&index) {
            self.ready.push_back(index);
        }
    }

    /// Copies the next frame into `buffer`, which holds [`MAX_FRAME_BYTES`]: its length, who sent it, where it arrived.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, PeerAddr, LocalAddr)> {
        while let Some(index) = self.ready.front().copied() {
            let Some(connection) = self.open.get_mut(index) else {
                self.ready.pop_front();
                continue;
            };
            match connection.receive(buffer) {
                Ok(Some(length)) => {
                    let frame = (length, connection.from, connection.to);
                    // The others' turn is before its next.
                    self.ready.rotate_left(1);
                    return Some(frame);
                }
                Ok(None) => drop(self.ready.pop_front()),
                Err(broken) => {
                    self.ready.pop_front();
                    self.part(index, &broken);
                }
            }
        }
        None
    }

    /// Sends each as a frame. What cannot be sent at once, or in part, is dropped and counted: it would come too late.
    pub(crate) fn send(&mut self, batch: &[Transmit]) {
        for transmit in batch {
            let Some(index) = self.index_by_peer.get(&transmit.to).copied() else { continue };
            let Some(connection) = self.open.get_mut(index) else { continue };
            match connection.send(&transmit.bytes) {
                Ok(true) => {}
                Ok(false) => self.counters.dropped += 1,
                Err(broken) => self.part(index, &broken),
            }
        }
    }

    /// When [`Connections::sweep`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_sweep
    }

    /// A frame of that connection was taken: whether it belongs to a session now, `knows` knows.
    pub(crate) fn note(&mut self, from: PeerAddr, knows: impl Fn() -> bool) {
        let Some(index) = self.index_by_peer.get(&from).copied() else { return };
        let Some(connection) = self.open.get_mut(index).filter(|connection| !connection.known) else {
            return;
        };
        if knows() {
            connection.known = true;
            self.forget_stranger(from);
        }
    }

    /// Closes what belongs to no session, as far as `knows` knows, and had its time.
    pub(crate) fn sweep(&mut self, now: Instant, knows: impl Fn(PeerAddr) -> bool) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        let strange =
            |connection: &Connection| now >= connection.since + STRANGE_FOR && !knows(connection.from);
        let strangers: Vec<usize> =
            self.open.iter().filter(|(_, connection)| strange(connection)).map(|(index, _)| index).collect();
        for index in strangers {
            self.counters.closed += 1;
            self.close(index);
        }
        self.next_sweep = (!self.open.is_empty()).then(|| now + SWEEP_EVERY);
    }

    /// What happened so far.
    pub(crate) fn counters(&self) -> TcpCounters {
        TcpCounters { open: self.open.len(), ..self.counters }
    }

    fn part(&mut self, index: usize, broken: &Broken) {
        if matches!(broken, Broken::Lies(_)) {
            self.counters.closed += 1;
        }
        debug!(?broken, "TCP connection closed");
        self.close(index);
    }

    fn close(&mut self, index: usize) {
        let Some(connection) = self.open.try_remove(index) else { return };
        if !connection.known {
            self.forget_stranger(connection.from);
        }
        if self.index_by_peer.get(&connection.from) == Some(&index) {
            self.index_by_peer.remove(&connection.from);
        }
    }

    fn forget_stranger(&mut self, from: PeerAddr) {
        let ip = from.address().ip();
        if let Some(count) = self.strangers.get_mut(&ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.strangers.remove(&ip);
            }
        }
    }
}

impl Connection {
    fn new(accepted: Accepted, registry: &Registry, token: Token, now: Instant) -> io::Result<Self> {
        let canonical = |address: std::net::SocketAddr| {
            std::net::SocketAddr::new(address.ip().to_canonical(), address.port())
        };
        let from = PeerAddr::Tcp(canonical(accepted.stream.peer_addr()?));
        let to = LocalAddr(canonical(accepted.stream.local_addr()?));
        accepted.stream.set_nonblocking(true)?;
        accepted.stream.set_nodelay(true)?;
        SockRef::from(&accepted.stream).set_tcp_notsent_lowat(MAX_UNSENT_BYTES)?;
        let mut stream = TcpStream::from_std(accepted.stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, from, to, since: now, known: false, received: accepted.begun, unsent: Vec::new() })
    }

    /// The next frame's length; none where there is no whole one yet.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Broken> {
        loop {
            if let Some(length) = self.take_frame(buffer)? {
                return Ok(Some(length));
            }
            let mut chunk = [0; MAX_FRAME_BYTES];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Broken::Ended),
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Failed(error)),
            }
        }
    }

    fn take_frame(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Broken> {
        let [high, low, frame @ ..] = &self.received[..] else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > MAX_FRAME_BYTES.min(buffer.len()) {
            return Err(Broken::Lies(length));
        }
        let Some(frame) = frame.get(..length) else { return Ok(None) };
        buffer[..length].copy_from_slice(frame);
        self.received.drain(..HEADER_BYTES + length);
        Ok(Some(length))
    }

    /// False where it was not sent, for there is no room.
    fn send(&mut self, bytes: &[u8]) -> Result<bool, Broken> {
        self.flush()?;
        let Ok(length) = u16::try_from(bytes.len()) else { return Ok(false) };
        if !self.unsent.is_empty() {
            return Ok(false);
        }
        let header = length.to_be_bytes();
        let sent = match self.stream.write_vectored(&[IoSlice::new(&header), IoSlice::new(bytes)]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(Broken::Failed(error)),
        };
        let frame = header.iter().chain(bytes);
        self.unsent.extend(frame.skip(sent));
        Ok(true)
    }

    fn flush(&mut self) -> Result<(), Broken> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Failed(error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::Poll;

    use super::*;

    /// A connection, and its other end.
    fn pair() -> (Connection, std::net::TcpStream, Poll) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let poll = Poll::new().unwrap();
        let accepted = Accepted { stream: listener.accept().unwrap().0, begun: vec![0] };
        let connection = Connection::new(accepted, poll.registry(), Token(0), Instant::now()).unwrap();
        (connection, other, poll)
    }

    fn frames(connection: &mut Connection, mut poll: Poll, count: usize) -> Vec<Vec<u8>> {
        let mut buffer = [0; MAX_FRAME_BYTES];
        let mut frames = Vec::new();
        while frames.len() < count {
            match connection.receive(&mut buffer).unwrap() {
                Some(length) => frames.push(buffer[..length].to_vec()),
                None => poll.poll(&mut mio::Events::with_capacity(1), None).unwrap(),
            }
        }
        frames
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let (mut connection, mut other, poll) = pair();
        // The first byte was read when the connection was accepted.
        for bytes in [&[3, 1, 2][..], &[3, 0], &[0, 0], &[2, 9, 8, 0, 1, 7]] {
            other.write_all(bytes).unwrap();
        }
        let frames = frames(&mut connection, poll, 4);
        assert_eq!(frames, [vec![1, 2, 3], vec![], vec![9, 8], vec![7]]);
    }

    #[test]
    fn a_length_that_no_packet_has_ends_the_connection() {
        let (mut connection, mut other, mut poll) = pair();
        other.write_all(&[0xff, 1]).unwrap();
        connection.received = vec![];
        let mut buffer = [0; MAX_FRAME_BYTES];
        let broken = loop {
            match connection.receive(&mut buffer) {
                Ok(None) => poll.poll(&mut mio::Events::with_capacity(1), None).unwrap(),
                other => break other,
            }
        };
        assert!(matches!(broken, Err(Broken::Lies(0xff01))), "{broken:?}");
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_no_frame_is_cut() {
        let (mut connection, mut other, _poll) = pair();
        let frame = [7; 1000];
        let mut sent = 0;
        while connection.send(&frame).unwrap() {
            sent += 1;
        }
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            other.read_to_end(&mut all).unwrap();
            all
        });
        while !connection.unsent.is_empty() {
            connection.flush().unwrap();
        }
        drop(connection);
        let all = reading.join().unwrap();
        assert_eq!(all.len(), sent * 1002);
        assert!(all.chunks(1002).all(|chunk| chunk[..2] == [3, 232] && chunk[2..] == frame));
    }
}
