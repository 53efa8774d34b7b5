//! Drives [`Talkback`]: what is said into containers, on a thread of its own that sleeps while nobody is connected to talk.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token, Waker};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use soundport_core::talkback::{
    Leg, Refusal, TalkConfig, TalkCounters, TalkOutput, TalkPacket, TalkStatus, Talkback,
};
use soundport_core::{MicFrame, OpusFrame, SessionId, SourceId, TalkerId};
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, warn};

use crate::fanout::FanoutHandle;
use crate::inbox::{Outbox, inbox};
use crate::ingest::IngestHandle;

const WAKE: Token = Token(0);

/// A second of what sixteen talkers say, and what else there may be to tell.
const REQUESTS: usize = 2048;

/// A socket to a container that was not used for this long is closed.
const IDLE_SOCKET: Duration = Duration::from_secs(15);

/// What other threads tell talkback.
enum Request {
    Mic(MicFrame),
    Container(OpusFrame),
    Join(TalkerId, SourceId, Option<SessionId>),
    Leave(TalkerId),
    Audience(SourceId, u32),
    Configure(Vec<TalkConfig>),
    Deafen(TalkerId),
    Stop(oneshot::Sender<()>),
    Counters(oneshot::Sender<TalkCounters>),
}

/// What becomes of what is said, for those who list sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct TalkNews {
    /// Of every source that somebody is connected to.
    pub(crate) statuses: Vec<TalkStatus>,
    /// How many listen to each source that anybody listens to.
    pub(crate) listeners: HashMap<SourceId, u32>,
}

/// Talkback as the other threads see it.
#[derive(Clone)]
pub(crate) struct TalkbackHandle(Outbox<Request>);

impl TalkbackHandle {
    /// A talker said something. Dropped and counted if talkback is far behind.
    pub(crate) fn hear(&self, frame: MicFrame) {
        if !self.0.send(Request::Mic(frame)) {
            debug!(dropped = self.0.dropped(), "Talkback is behind, frame dropped");
        }
    }

    /// A container whose listeners hear talkers plays something.
    pub(crate) fn hear_container(&self, frame: OpusFrame) {
        if !self.0.send(Request::Container(frame)) {
            debug!(dropped = self.0.dropped(), "Talkback is behind, frame dropped");
        }
    }

    /// A talker is connected.
    pub(crate) fn join(&self, talker: TalkerId, source: SourceId, listener: Option<SessionId>) {
        self.tell(Request::Join(talker, source, listener));
    }

    /// A talker no longer listens by the session that it named.
    pub(crate) fn deafen(&self, talker: TalkerId) {
        self.tell(Request::Deafen(talker));
    }

    /// A talker is gone.
    pub(crate) fn leave(&self, talker: TalkerId) {
        self.tell(Request::Leave(talker));
    }

    /// Says how many sessions listen to a source.
    pub(crate) fn tell_audience(&self, source: SourceId, listeners: u32) {
        self.tell(Request::Audience(source, listeners));
    }

    /// Says which sources may be talked into from now on.
    pub(crate) fn configure(&self, configs: Vec<TalkConfig>) {
        self.tell(Request::Configure(configs));
    }

    /// Tells all containers that there is nothing more to come.
    pub(crate) async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.0.send(Request::Stop(reply)) {
            // One that does not answer has nothing to tell either.
            let _ = done.await;
        }
    }

    /// What was counted so far. None if talkback does not answer.
    pub(crate) async fn counters(&self) -> Option<TalkCounters> {
        let (reply, answer) = oneshot::channel();
        if !self.0.send(Request::Counters(reply)) {
            return None;
        }
        answer.await.ok()
    }

    /// What was not heard because talkback was behind.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    fn tell(&self, request: Request) {
        if !self.0.send(request) {
            warn!("Talkback is behind and was not told what happened");
        }
    }
}

/// The talkback thread before it runs.
pub(crate) struct TalkbackThread {
    poll: Poll,
    inbox: (Outbox<Request>, Receiver<Request>),
}

impl TalkbackThread {
    /// Prepares the event loop, so that others can be given its inbox.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let poll = Poll::new().context("Failed to open an epoll instance for talkback")?;
        let waker = Waker::new(poll.registry(), WAKE).context("Failed to open a waker for talkback")?;
        Ok(Self { poll, inbox: inbox(REQUESTS, Arc::new(waker)) })
    }

    /// The thread as others see it.
    pub(crate) fn handle(&self) -> TalkbackHandle {
        TalkbackHandle(self.inbox.0.clone())
    }

    /// Starts the thread. `news` is told whenever what is said arrives otherwise, or otherwise not.
    pub(crate) fn start(
        self,
        talkback: Talkback,
        fanout: FanoutHandle,
        ingest: IngestHandle,
        news: watch::Sender<TalkNews>,
    ) -> anyhow::Result<()> {
        let driver = Driver {
            poll: self.poll,
            requests: self.inbox.1,
            talkback,
            fanout,
            ingest,
            news,
            out: TalkOutput::default(),
            sockets: Sockets::default(),
            mixed: HashSet::new(),
            revision: 0,
        };
        thread::Builder::new()
            .name("talkback".into())
            .spawn(move || driver.run())
            .context("Failed to start talkback")?;
        Ok(())
    }
}

struct Driver {
    poll: Poll,
    requests: Receiver<Request>,
    talkback: Talkback,
    fanout: FanoutHandle,
    ingest: IngestHandle,
    news: watch::Sender<TalkNews>,
    out: TalkOutput,
    sockets: Sockets,
    /// The containers whose frames come here.
    mixed: HashSet<SourceId>,
    revision: u64,
}

impl Driver {
    fn run(mut self) {
        let mut events = Events::with_capacity(4);
        loop {
            // 1. What is said, and by whom.
            while let Ok(request) = self.requests.try_recv() {
                self.obey(request);
            }
            // 2. What came back, and the clock.
            let now = Instant::now();
            if self.talkback.poll_timeout().is_some_and(|due| due <= now) {
                for (source, leg, refusal) in self.sockets.refusals() {
                    self.talkback.refuse(&source, leg, refusal, now);
                }
                self.talkback.handle_timeout(now, &mut self.out);
            }
            self.flush(now);
            // 3. What changed.
            if self.revision != self.talkback.revision() {
                self.publish();
            }
            // 4. Wait.
            let timeout = self.talkback.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
            if let Err(failure) = self.poll.poll(&mut events, timeout)
                && failure.kind() != io::ErrorKind::Interrupted
            {
                error!(%failure, "Talkback cannot wait and ends");
                return;
            }
        }
    }

    fn obey(&mut self, request: Request) {
        let now = Instant::now();
        match request {
            Request::Mic(frame) => self.talkback.handle_frame(frame),
            Request::Container(frame) => self.talkback.handle_container_frame(&frame, now),
            Request::Join(talker, source, listener) => {
                if !self.talkback.join(talker, &source, listener, now, &mut self.out) {
                    self.fanout.end_talkers(source);
                }
            }
            // A requester that went away needs no answer.
            Request::Counters(reply) => drop(reply.send(self.talkback.counters())),
            Request::Leave(talker) => self.talkback.leave(talker, now),
            Request::Audience(source, listeners) => self.talkback.set_listeners(source, listeners),
            Request::Deafen(talker) => self.talkback.deafen(talker),
            Request::Configure(configs) => {
                for (source, was_room) in self.talkback.configure(configs, now, &mut self.out) {
                    match was_room {
                        true => self.fanout.end_source(source),
                        false => self.fanout.end_talkers(source),
                    }
                }
            }
            Request::Stop(reply) => {
                self.talkback.configure(Vec::new(), now, &mut self.out);
                self.flush(now);
                let _ = reply.send(());
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        for frame in self.out.frames.drain(..) {
            self.fanout.send_frame(frame);
        }
        for packet in self.out.packets.drain(..) {
            if let Some(refusal) = self.sockets.send(&packet, now) {
                self.talkback.refuse(&packet.source, packet.leg, refusal, now);
            }
        }
        self.sockets.close_idle(now, self.talkback.poll_timeout().is_none());
    }

    fn publish(&mut self) {
        self.revision = self.talkback.revision();
        let mixed: HashSet<SourceId> = self.talkback.mixes().cloned().collect();
        if self.mixed != mixed {
            self.mixed.clone_from(&mixed);
            self.ingest.mix(mixed);
        }
        let statuses = self.talkback.statuses().to_vec();
        self.news.send_replace(TalkNews { statuses, listeners: self.talkback.listeners().clone() });
    }
}

/// One connected socket for each thing that goes to a container: only so the kernel says what was refused.
#[derive(Default)]
struct Sockets {
    open: HashMap<(SourceId, Leg), Open>,
}

struct Open {
    to: SocketAddr,
    socket: UdpSocket,
    used: Instant,
}

impl Sockets {
    /// Sends one datagram. Returns why it did not arrive, if that is known already.
    fn send(&mut self, packet: &TalkPacket, now: Instant) -> Option<Refusal> {
        let key = (packet.source.clone(), packet.leg);
        if self.open.get(&key).is_none_or(|open| open.to != packet.to) {
            match connect(packet.to) {
                Ok(socket) => drop(self.open.insert(key.clone(), Open { to: packet.to, socket, used: now })),
                Err(failure) => return refusal(&failure),
            }
        }
        let open = self.open.get_mut(&key)?;
        open.used = now;
        match open.socket.send(&packet.bytes) {
            Ok(_) => None,
            Err(failure) => {
                drain_errors(&open.socket);
                refusal(&failure)
            }
        }
    }

    /// What came back since the last call.
    fn refusals(&self) -> Vec<(SourceId, Leg, Refusal)> {
        let came_back = |open: &Open| {
            let failure = open.socket.take_error().ok().flatten()?;
            drain_errors(&open.socket);
            refusal(&failure)
        };
        let all = self.open.iter();
        all.filter_map(|((source, leg), open)| Some((source.clone(), *leg, came_back(open)?))).collect()
    }

    /// Closes what was not used for long; all, if nobody is connected to talk.
    fn close_idle(&mut self, now: Instant, all: bool) {
        self.open.retain(|_, open| !all && now.saturating_duration_since(open.used) < IDLE_SOCKET);
    }
}

fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    // Otherwise nothing is said of an address that nobody has.
    match to {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
    }
    socket.connect(to)?;
    Ok(socket)
}

/// Throws away what the kernel kept of each datagram that came back: only the last error matters.
fn drain_errors(socket: &UdpSocket) {
    let mut datagram = [0; 16];
    while recv(socket.as_raw_fd(), &mut datagram, MsgFlags::MSG_ERRQUEUE).is_ok() {}
}

/// What a failure to send says of the other side; none where it only says that this side is busy.
fn refusal(failure: &io::Error) -> Option<Refusal> {
    debug!(%failure, "A datagram to a container was not sent, or came back");
    match failure.kind() {
        io::ErrorKind::ConnectionRefused => Some(Refusal::Port),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => None,
        _ if failure.raw_os_error() == Some(Errno::ENOBUFS as i32) => None,
        _ => Some(Refusal::Host),
    }
}
