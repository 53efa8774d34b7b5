//! The sockets that containers' RTP comes to: one of the configuration, and those that containers announce.
//!
//! What somebody hears is read as it comes. The rest is drained every so often, which costs a fraction of it; so is a
//! port where one source that is heard comes with many that are not, but more often.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use soundport_core::ingest::{Attention, RtpPort, WantedPort};
use std::os::fd::AsRawFd;
use tracing::{debug, info};

use crate::multicast;
use crate::udp::{RtpSocket, Sharing, try_bind};

/// The token of the sockets that are drained, all together. A socket's own is its port.
pub(crate) const DRAINED: Token = Token(1 << 16);

/// What nobody hears waits in the kernel for so long.
const NAP: Duration = Duration::from_millis(40);

/// What somebody hears among many others waits at most so long.
const SHORT_NAP: Duration = Duration::from_millis(3);

/// How often a port that could not be opened is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// One open port.
struct OpenPort {
    port: RtpPort,
    socket: RtpSocket,
    attention: Attention,
    /// Whether there may be something to read.
    ready: bool,
    groups: Vec<IpAddr>,
}

/// All open ports, and the events of those that nobody hears.
pub(crate) struct Ports {
    /// Where ports are opened.
    ip: IpAddr,
    multicast: bool,
    open: Vec<OpenPort>,
    drained: Poll,
    events: Events,
    /// Until when what nobody hears is left alone; none while there is none of it.
    nap: Option<Instant>,
    joined: Option<Instant>,
    /// When to try again to open what could not be opened.
    retry: Option<Instant>,
}

impl Ports {
    /// The port of the configuration, bound already. With `multicast` groups are joined.
    pub(crate) fn new(main: UdpSocket, multicast: bool) -> io::Result<Self> {
        let local = main.local_addr()?;
        let open = OpenPort {
            port: RtpPort(local.port()),
            socket: RtpSocket::new(main)?,
            attention: Attention::High,
            ready: true,
            groups: Vec::new(),
        };
        Ok(Self {
            ip: local.ip(),
            multicast,
            open: vec![open],
            drained: Poll::new()?,
            events: Events::with_capacity(64),
            nap: None,
            joined: None,
            retry: None,
        })
    }

    /// Waits for all of them in an event loop of its own.
    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for open in &self.open {
            registry.register(&mut SourceFd(&open.socket.raw_fd()), open.token(), Interest::READABLE)?;
        }
        self.wait_for_drained(registry)
    }

    /// Opens and closes ports, so that those that are wanted are open. Says of each that was new what is wrong with it.
    pub(crate) fn reconcile(
        &mut self,
        wanted: Vec<WantedPort>,
        registry: &Registry,
        now: Instant,
    ) -> Vec<(RtpPort, Option<String>)> {
        self.close_all_but(&wanted);
        self.retry = None;
        let mut news = Vec::new();
        for wanted in wanted {
            let trouble = match self.open.iter().position(|open| open.port == wanted.port) {
                Some(index) => self.adjust(index, &wanted, registry),
                None => match self.open_port(&wanted, registry) {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        debug!(port = wanted.port.0, %error, "Port not opened");
                        self.retry = Some(now + RETRY_EVERY);
                        Err(in_words(wanted.port, &error))
                    }
                },
            };
            news.push((wanted.port, trouble.err()));
        }
        news
    }

    /// Joins groups on networks that came since. Cheap; call it whenever the loop comes by.
    pub(crate) fn join_groups(&mut self, now: Instant) {
        if !self.multicast || self.joined.is_some_and(|joined| now < joined + multicast::LOOK_EVERY) {
            return;
        }
        self.joined = Some(now);
        for open in &self.open {
            open.groups.iter().for_each(|group| multicast::join(open.socket.socket(), *group));
        }
    }

    /// When something is to be done that no event tells of.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let join = self.joined.map(|joined| joined + multicast::LOOK_EVERY);
        self.nap.into_iter().chain(join).chain(self.retry).min()
    }

    /// Whether a port that could not be opened is to be tried again: whoever held it may have gone.
    pub(crate) fn is_retry_due(&self, now: Instant) -> bool {
        self.retry.is_some_and(|retry| retry <= now)
    }

    /// Takes note of an event of the loop it was registered with.
    pub(crate) fn note(&mut self, token: Token, registry: &Registry, now: Instant) {
        if token == DRAINED {
            // Until the nap is over more of it is no news.
            let _ = registry.deregister(&mut SourceFd(&self.drained.as_raw_fd()));
            self.nap = Some(now + self.nap_length());
        } else if let Some(open) = self.open.iter_mut().find(|open| open.token() == token) {
            open.ready = true;
        }
    }

    /// Wakes what nobody hears, if its nap is over.
    pub(crate) fn end_nap(&mut self, registry: &Registry, now: Instant) -> io::Result<()> {
        if self.nap.is_none_or(|until| now < until) {
            return Ok(());
        }
        self.drained.poll(&mut self.events, Some(Duration::ZERO))?;
        let mut any = false;
        for event in &self.events {
            any = true;
            if let Some(open) = self.open.iter_mut().find(|open| open.token() == event.token()) {
                open.ready = true;
            }
        }
        self.nap = any.then_some(now + self.nap_length());
        if any { Ok(()) } else { self.wait_for_drained(registry) }
    }

    /// The sockets that may have something to read.
    pub(crate) fn ready(&mut self) -> impl Iterator<Item = (RtpPort, &mut RtpSocket, &mut bool)> {
        let ready = self.open.iter_mut().filter(|open| open.ready);
        ready.map(|open| (open.port, &mut open.socket, &mut open.ready))
    }

    fn nap_length(&self) -> Duration {
        let crowded = self.open.iter().any(|open| open.attention == Attention::Crowded);
        if crowded { SHORT_NAP } else { NAP }
    }

    fn wait_for_drained(&self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.drained.as_raw_fd()), DRAINED, Interest::READABLE)
    }

    fn close_all_but(&mut self, wanted: &[WantedPort]) {
        let is_wanted = |open: &OpenPort| wanted.iter().any(|wanted| wanted.port == open.port);
        // A socket that is closed leaves its event loop by itself.
        self.open.retain(|open| {
            is_wanted(open) || {
                info!(port = open.port.0, "Port closed");
                false
            }
        });
    }

    fn open_port(&mut self, wanted: &WantedPort, registry: &Registry) -> io::Result<()> {
        let socket = try_bind(SocketAddr::new(self.ip, wanted.port.0), Sharing::Alone)?;
        let open = OpenPort {
            port: wanted.port,
            socket: RtpSocket::new(socket)?,
            attention: wanted.attention,
            ready: true,
            groups: wanted.groups.clone(),
        };
        let registry = if open.attention == Attention::High { registry } else { self.drained.registry() };
        registry.register(&mut SourceFd(&open.socket.raw_fd()), open.token(), Interest::READABLE)?;
        info!(port = open.port.0, "Port opened");
        self.open.push(open);
        self.joined = None;
        Ok(())
    }

    /// Changes what an open port waits for, and which groups it is in.
    fn adjust(&mut self, index: usize, wanted: &WantedPort, registry: &Registry) -> Result<(), String> {
        let open = &mut self.open[index];
        if open.groups != wanted.groups {
            let left = open.groups.iter().filter(|group| !wanted.groups.contains(group));
            left.for_each(|group| multicast::leave(open.socket.socket(), *group));
            open.groups.clone_from(&wanted.groups);
            self.joined = None;
        }
        let before = std::mem::replace(&mut open.attention, wanted.attention);
        let (from, to) = match (before == Attention::High, wanted.attention == Attention::High) {
            (false, true) => (self.drained.registry(), registry),
            (true, false) => (registry, self.drained.registry()),
            (true, true) | (false, false) => return Ok(()),
        };
        open.ready = true;
        let (fd, token) = (open.socket.raw_fd(), open.token());
        let moved = from
            .deregister(&mut SourceFd(&fd))
            .and_then(|()| to.register(&mut SourceFd(&fd), token, Interest::READABLE));
        moved.map_err(|error| in_words(wanted.port, &error))
    }
}

impl OpenPort {
    fn token(&self) -> Token {
        Token(usize::from(self.port.0))
    }
}

fn in_words(RtpPort(port): RtpPort, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "Its sound goes to UDP port {port}, which another program on the relay’s machine holds, or the relay itself. Free it, or send to another port."
        ),
        io::ErrorKind::PermissionDenied => {
            format!("Its sound goes to UDP port {port}, which the relay may not open. Send to another port.")
        }
        _ => format!("Its sound goes to UDP port {port}, which the relay cannot open: {error}."),
    }
}
