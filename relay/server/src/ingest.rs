//! Drives [`Ingest`]: the event loop of containers' sound, on a thread of its own.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token, Waker};
use soundport_api as api;
use soundport_core::ingest::{
    Beside, EncodeConfig, Farewell, Found, Ingest, IngestCounters, RtpPort, SenderAddr, SourceConfig,
    SourceFacts, SourceFormat, SourceState, SourceStatus, TurnedAway,
};
use soundport_core::{Announcement, AnnouncementKey, Encoding, SourceId};
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, trace, warn};

use crate::fanout::FanoutHandle;
use crate::inbox::{Outbox, inbox};
use crate::network::is_private;
use crate::ports::Ports;
use crate::talkback::TalkbackHandle;
use crate::udp::RtpSocket;

const WAKE: Token = Token(usize::MAX);

/// Larger than any UDP datagram: what does not fit a packet is for ingest to judge.
const BUFFER_BYTES: usize = 65_536;

/// Datagrams read from one port before the others, timers and commands get their turn.
const BUDGET: usize = 256;

/// What other threads tell or ask of ingest.
enum Request {
    Audience(SourceId, u32),
    Announce(Box<Announcement>),
    Withdraw(AnnouncementKey, Farewell),
    Configure(Vec<SourceConfig>, EncodeConfig, HashSet<SourceId>),
    Mix(HashSet<SourceId>),
    Watch(HashSet<SourceId>),
    Levels(oneshot::Sender<api::Levels>),
    Counters(oneshot::Sender<RtpCounters>),
    Facts(Option<SourceId>, oneshot::Sender<IngestFacts>),
}

/// What happened to the datagrams that came to the RTP ports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpCounters {
    pub(crate) ingest: IngestCounters,
    /// Datagrams from outside private networks.
    pub(crate) strangers: u64,
}

/// What the doctor asks of ingest.
#[derive(Debug)]
pub(crate) struct IngestFacts {
    /// Of the sources asked for.
    pub(crate) sources: Vec<SourceFacts>,
    /// Who was turned away lately.
    pub(crate) turned_away: Vec<TurnedAway>,
    /// Packets in which nothing is recognised.
    pub(crate) unrecognised: Vec<Beside>,
}

/// A source as ingest knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    /// As it is listed, without what is said of talking.
    pub(crate) source: api::Source,
    /// Its container's address.
    pub(crate) address: Option<IpAddr>,
}

/// Where frames go: straight to the listeners, or by way of talkback.
struct Forward {
    fanout: FanoutHandle,
    talkback: TalkbackHandle,
    mixed: HashSet<SourceId>,
}

/// Ingest as the other threads see it.
#[derive(Clone)]
pub(crate) struct IngestHandle(Outbox<Request>);

impl IngestHandle {
    /// Says how many sessions listen to a source: with none it is not encoded.
    pub(crate) fn tell_audience(&self, source: SourceId, listeners: u32) {
        self.tell(Request::Audience(source, listeners));
    }

    /// A container announces a stream.
    pub(crate) fn announce(&self, announcement: Announcement) {
        self.tell(Request::Announce(Box::new(announcement)));
    }

    /// A stream is no longer announced.
    pub(crate) fn withdraw(&self, key: AnnouncementKey, farewell: Farewell) {
        self.tell(Request::Withdraw(key, farewell));
    }

    /// The configuration says this from now on. `rooms` are no container's ids.
    pub(crate) fn configure(
        &self,
        sources: Vec<SourceConfig>,
        encode: EncodeConfig,
        rooms: HashSet<SourceId>,
    ) {
        self.tell(Request::Configure(sources, encode, rooms));
    }

    /// The sound of these is mixed with what talkers say, before listeners hear it.
    pub(crate) fn mix(&self, sources: HashSet<SourceId>) {
        self.tell(Request::Mix(sources));
    }

    /// Whose levels somebody watches.
    pub(crate) fn watch(&self, sources: HashSet<SourceId>) {
        self.tell(Request::Watch(sources));
    }

    /// The levels of those watched, since they were asked for last. None if ingest does not answer.
    pub(crate) async fn levels(&self) -> Option<api::Levels> {
        self.ask(Request::Levels).await
    }

    /// What was counted so far. None if ingest does not answer.
    pub(crate) async fn counters(&self) -> Option<RtpCounters> {
        self.ask(Request::Counters).await
    }

    /// What the doctor must know of a source, or of all where it is none. None if ingest does not answer.
    pub(crate) async fn facts(&self, source: Option<SourceId>) -> Option<IngestFacts> {
        self.ask(|reply| Request::Facts(source, reply)).await
    }

    fn tell(&self, request: Request) {
        if !self.0.send(request) {
            warn!("Ingest is behind and was not told what happened");
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if !self.0.send(request(reply)) {
            return None;
        }
        answer.await.ok()
    }
}

/// The ingest thread before it runs.
pub(crate) struct IngestThread {
    poll: Poll,
    inbox: (Outbox<Request>, Receiver<Request>),
}

impl IngestThread {
    /// Prepares the event loop, so that others can be given its inbox.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let poll = Poll::new().context("Failed to open an epoll instance for ingest")?;
        let waker = Waker::new(poll.registry(), WAKE).context("Failed to open a waker for ingest")?;
        Ok(Self { poll, inbox: inbox(1024, Arc::new(waker)) })
    }

    /// The thread as others see it.
    pub(crate) fn handle(&self) -> IngestHandle {
        IngestHandle(self.inbox.0.clone())
    }

    /// Starts the thread. `sources` is told whenever a source comes, goes or changes.
    pub(crate) fn start(
        self,
        ingest: Ingest,
        socket: UdpSocket,
        multicast: bool,
        (fanout, talkback): (FanoutHandle, TalkbackHandle),
        sources: watch::Sender<Arc<[Known]>>,
    ) -> anyhow::Result<()> {
        let mut ports = Ports::new(socket, multicast).context("Failed to set up the RTP socket")?;
        let Self { poll, inbox } = self;
        ports.register(poll.registry()).context("Failed to wait on the RTP socket")?;
        let requests = inbox.1;
        let forward = Forward { fanout, talkback, mixed: HashSet::new() };
        let driver = Driver { poll, ports, requests, ingest, forward, sources, revision: None, strangers: 0 };
        thread::Builder::new()
            .name("ingest".into())
            .spawn(move || driver.run())
            .context("Failed to start ingest")?;
        Ok(())
    }
}

struct Driver {
    poll: Poll,
    ports: Ports,
    requests: Receiver<Request>,
    ingest: Ingest,
    forward: Forward,
    sources: watch::Sender<Arc<[Known]>>,
    revision: Option<u64>,
    strangers: u64,
}

impl Driver {
    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            if let Err(failure) = self.turn(&mut events, &mut buffer)
                && failure.kind() != io::ErrorKind::Interrupted
            {
                error!(%failure, "Ingest cannot wait for packets and ends");
                return;
            }
        }
    }

    fn turn(&mut self, events: &mut Events, buffer: &mut [u8]) -> io::Result<()> {
        // 1. Who listens decides what is encoded.
        while let Ok(request) = self.requests.try_recv() {
            self.obey(request);
        }
        // 2. Packets.
        self.ports.end_nap(self.poll.registry(), Instant::now())?;
        if self.ports.is_retry_due(Instant::now()) {
            self.revision = None;
        }
        let more = self.read(buffer);
        // 3. Timers, once no packet waits that came before them.
        if !more {
            self.ingest.handle_timeout(Instant::now());
            self.forward();
        }
        // 4. What changed.
        self.publish();
        self.ports.join_groups(Instant::now());
        // 5. Wait, unless packets are left.
        let now = Instant::now();
        let due = self.ingest.poll_timeout().into_iter().chain(self.ports.poll_timeout()).min();
        let timeout = due.map(|at| at.saturating_duration_since(now));
        self.poll.poll(events, if more { Some(Duration::ZERO) } else { timeout })?;
        for event in events.iter().filter(|event| event.token() != WAKE) {
            self.ports.note(event.token(), self.poll.registry(), Instant::now());
        }
        Ok(())
    }

    fn obey(&mut self, request: Request) {
        let now = Instant::now();
        // A requester that went away needs no answer.
        match request {
            Request::Audience(source, listeners) => {
                let is_known = self.ingest.set_listeners(&source, listeners);
                // It went while its listener came.
                if !is_known && listeners > 0 {
                    self.forward.fanout.end_source(source);
                }
            }
            Request::Announce(announcement) => self.ingest.announce(*announcement, now),
            Request::Withdraw(key, farewell) => self.ingest.withdraw(key, farewell, now),
            Request::Mix(sources) => self.forward.mixed = sources,
            Request::Configure(sources, encode, rooms) => {
                self.ingest.set_encode(encode);
                let displaced = self.ingest.reserve(rooms);
                for source in displaced.into_iter().chain(self.ingest.configure(sources, now)) {
                    self.forward.fanout.end_source(source);
                }
            }
            Request::Watch(sources) => self.ingest.set_watched(sources),
            Request::Levels(reply) => {
                let levels = self.ingest.take_levels();
                let _ = reply.send(levels.map(|(id, levels)| (id.as_str().to_owned(), levels)).collect());
            }
            Request::Counters(reply) => {
                let _ = reply.send(RtpCounters { ingest: self.ingest.counters(), strangers: self.strangers });
            }
            Request::Facts(source, reply) => {
                let _ = reply.send(IngestFacts {
                    sources: self.ingest.facts(source.as_ref(), now).collect(),
                    turned_away: self.ingest.turned_away(now),
                    unrecognised: self.ingest.unrecognised(now).collect(),
                });
            }
        }
        self.forward();
    }

    /// Reads what is there, at most a budget of each port. True if more may be left.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        let mut more = false;
        for (port, socket, ready) in self.ports.ready() {
            *ready = read_port(&mut self.ingest, port, socket, buffer, &mut self.strangers, &self.forward);
            more |= *ready;
        }
        more
    }

    fn forward(&mut self) {
        self.forward.all(&mut self.ingest);
    }

    fn publish(&mut self) {
        if self.revision == Some(self.ingest.revision()) {
            return;
        }
        let now = Instant::now();
        let wanted = self.ingest.ports(now).collect();
        for (port, trouble) in self.ports.reconcile(wanted, self.poll.registry(), now) {
            self.ingest.set_port_trouble(port, trouble.as_deref());
        }
        self.revision = Some(self.ingest.revision());
        self.sources.send_replace(self.ingest.sources().map(describe).collect());
    }
}

/// Reads a port. True if more may be left there.
fn read_port(
    ingest: &mut Ingest,
    port: RtpPort,
    socket: &mut RtpSocket,
    buffer: &mut [u8],
    strangers: &mut u64,
    forward: &Forward,
) -> bool {
    for _ in 0..BUDGET {
        match socket.receive(buffer) {
            Ok((length, from, at)) if is_private(from.ip()) => {
                ingest.handle_datagram(SenderAddr(from), port, &buffer[..length], at);
                forward.all(ingest);
            }
            Ok((_, from, at)) => {
                *strangers += 1;
                ingest.turn_away_stranger(SenderAddr(from), port, at);
                trace!(%from, count = *strangers, "Datagram from outside private networks dropped");
            }
            Err(failure) if failure.kind() == io::ErrorKind::WouldBlock => return false,
            Err(failure) => debug!(%failure, "Failed to read from an RTP socket"),
        }
    }
    true
}

impl Forward {
    /// Hands on every frame that is ready.
    fn all(&self, ingest: &mut Ingest) {
        while let Some(frame) = ingest.poll_frame() {
            if self.mixed.contains(&frame.source) {
                self.talkback.hear_container(frame);
            } else {
                self.fanout.send_frame(frame);
            }
        }
    }
}

fn describe(status: SourceStatus) -> Known {
    let source = api::Source {
        id: status.id.as_str().to_owned(),
        title: status.title,
        state: match status.state {
            SourceState::Waiting => api::SourceState::Waiting,
            SourceState::Live => api::SourceState::Live,
            SourceState::Idle => api::SourceState::Idle,
            SourceState::Lost => api::SourceState::Lost,
        },
        format: status.format.map(describe_format),
        talk: false,
        talkback: None,
        room: false,
        listeners: status.listeners,
        trouble: status.trouble,
    };
    Known { source, address: status.address }
}

fn describe_format(format: SourceFormat) -> api::Format {
    api::Format {
        encoding: match format.audio.encoding {
            Encoding::L16 => api::Encoding::L16,
            Encoding::L24 => api::Encoding::L24,
            Encoding::Pcmu => api::Encoding::Pcmu,
            Encoding::Pcma => api::Encoding::Pcma,
            Encoding::Opus => api::Encoding::Opus,
        },
        rate: format.audio.rate_hz,
        channels: format.audio.channels,
        found: match format.found {
            Found::Announced => api::Found::Announced,
            Found::Configured => api::Found::Configured,
            Found::PayloadType => api::Found::PayloadType,
            Found::Measured => api::Found::Measured,
            Found::Assumed => api::Found::Assumed,
        },
    }
}
