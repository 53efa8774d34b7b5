//! Drives [`Fanout`]: the media socket's event loop, on a thread of its own.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use soundport_core::fanout::{
    Audience, Connect, ConnectError, Credentials, Fanout, FanoutCounters, FanoutEvent, Incoming, OfferError,
    Output, Playback, Purpose, Session, StreamMessage,
};
use soundport_core::{OpusFrame, SessionId, SourceId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error};

use crate::inbox::{Outbox, inbox};
use crate::ingest::IngestHandle;
use crate::talkback::TalkbackHandle;
use crate::tcp::{Accepted, Connections, MAX_FRAME_BYTES, TcpCounters};
use crate::udp::MediaSocket;

const MEDIA: Token = Token(0);
const WAKE: Token = Token(1);
const FIRST_CONNECTION: usize = 2;

/// Datagrams read before frames and timers get their turn.
const BUDGET: usize = 256;

/// Ten seconds of one source at 10 ms: more only piles up where the thread hangs.
const FRAMES: usize = 1024;

/// A request to the thread; each is answered once.
enum Command {
    Connect(Connect, oneshot::Sender<Result<(Session, String), ConnectError>>),
    Restart(SessionId, Credentials, oneshot::Sender<Option<Result<(Session, String), OfferError>>>),
    Session(SessionId, oneshot::Sender<Option<Session>>),
    Disconnect(SessionId, oneshot::Sender<bool>),
    EndSource(SourceId),
    EndTalkers(SourceId),
    Take(Accepted),
    OpenStream(SourceId, Purpose, StreamSender, oneshot::Sender<Result<Session, ConnectError>>),
    SignOfLife(SessionId),
    Counters(oneshot::Sender<MediaCounters>),
    Facts(Option<SourceId>, Vec<SessionId>, oneshot::Sender<HashMap<SourceId, Audience>>),
    Playback(SessionId, Playback, oneshot::Sender<bool>),
}

/// What came by a talker's stream.
struct Speech {
    session: SessionId,
    timestamp: u32,
    packet: Arc<[u8]>,
}

/// Where a stream's messages go; one that is full drops them.
pub(crate) type StreamSender = mpsc::Sender<StreamMessage>;

/// What happened at the media port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaCounters {
    pub(crate) fanout: FanoutCounters,
    pub(crate) sessions: usize,
    /// Datagrams that the kernel would not take.
    pub(crate) refused: u64,
    pub(crate) tcp: TcpCounters,
    pub(crate) streams: StreamCounters,
}

/// What happened to streams.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamCounters {
    pub(crate) open: usize,
    /// Messages for listeners that were too far behind.
    pub(crate) dropped: u64,
}

/// The fan-out as the other threads see it. It will stand for several threads; today it is one.
#[derive(Clone)]
pub(crate) struct FanoutHandle {
    frames: Outbox<OpusFrame>,
    speech: Outbox<Speech>,
    commands: Outbox<Command>,
}

/// The fan-out does not answer: it is overloaded, or gone.
#[derive(Debug)]
pub(crate) struct Overloaded;

impl FanoutHandle {
    /// Hands one frame to all listeners of its source. Dropped and counted if the fan-out is far behind.
    pub(crate) fn send_frame(&self, frame: OpusFrame) {
        if !self.frames.send(frame) {
            debug!(dropped = self.frames.dropped(), "Fan-out is behind, frame dropped");
        }
    }

    /// Makes a session; see [`Fanout::connect`].
    pub(crate) async fn connect(
        &self,
        request: Connect,
    ) -> Result<Result<(Session, String), ConnectError>, Overloaded> {
        self.ask(|reply| Command::Connect(request, reply)).await
    }

    /// Restarts ICE; see [`Fanout::restart`].
    pub(crate) async fn restart(
        &self,
        id: SessionId,
        remote: Credentials,
    ) -> Result<Option<Result<(Session, String), OfferError>>, Overloaded> {
        self.ask(|reply| Command::Restart(id, remote, reply)).await
    }

    /// Looks a session up.
    pub(crate) async fn session(&self, id: SessionId) -> Result<Option<Session>, Overloaded> {
        self.ask(|reply| Command::Session(id, reply)).await
    }

    /// Ends a session. False if there is none of that name.
    pub(crate) async fn disconnect(&self, id: SessionId) -> Result<bool, Overloaded> {
        self.ask(|reply| Command::Disconnect(id, reply)).await
    }

    /// Ends all sessions of a source that is no more.
    pub(crate) fn end_source(&self, source: SourceId) {
        if !self.commands.send(Command::EndSource(source)) {
            debug!("Fan-out is behind; sessions of a source that is no more go on in silence");
        }
    }

    /// Ends the sessions of all who speak into a source, for they no longer may.
    pub(crate) fn end_talkers(&self, source: SourceId) {
        if !self.commands.send(Command::EndTalkers(source)) {
            debug!("Fan-out is behind; talkers that nobody hears stay connected");
        }
    }

    /// Takes over a TCP connection of media.
    pub(crate) fn take(&self, accepted: Accepted) {
        if !self.commands.send(Command::Take(accepted)) {
            debug!("Fan-out is behind, TCP connection refused");
        }
    }

    /// Makes a session whose messages go to `sender`, which is closed when it ends; see [`Fanout::open_stream`].
    pub(crate) async fn open_stream(
        &self,
        source: SourceId,
        purpose: Purpose,
        sender: StreamSender,
    ) -> Result<Result<Session, ConnectError>, Overloaded> {
        self.ask(|reply| Command::OpenStream(source, purpose, sender, reply)).await
    }

    /// Takes what came by a talker's stream; see [`Fanout::handle_speech`].
    pub(crate) fn hear(&self, session: SessionId, timestamp: u32, packet: Arc<[u8]>) {
        if !self.speech.send(Speech { session, timestamp, packet }) {
            debug!("Fan-out is behind, packet of a talker dropped");
        }
    }

    /// The other end of a stream lives.
    pub(crate) fn tell_alive(&self, session: SessionId) {
        if !self.commands.send(Command::SignOfLife(session)) {
            debug!("Fan-out is behind, and not told that a stream lives");
        }
    }

    /// What was counted so far.
    pub(crate) async fn counters(&self) -> Result<MediaCounters, Overloaded> {
        self.ask(Command::Counters).await
    }

    /// What the doctor must know of the sessions of a source, or of all sources' where it is none; see [`Fanout::facts`].
    pub(crate) async fn facts(
        &self,
        source: Option<SourceId>,
        own: Vec<SessionId>,
    ) -> Result<HashMap<SourceId, Audience>, Overloaded> {
        self.ask(|reply| Command::Facts(source, own, reply)).await
    }

    /// A listener's page says what its browser does with the sound. False if there is no such listener.
    pub(crate) async fn note_playback(&self, id: SessionId, playback: Playback) -> Result<bool, Overloaded> {
        self.ask(|reply| Command::Playback(id, playback, reply)).await
    }

    /// Frames dropped because the fan-out was behind.
    pub(crate) fn frames_dropped(&self) -> u64 {
        self.frames.dropped()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Overloaded> {
        let (reply, answer) = oneshot::channel();
        if !self.commands.send(command(reply)) {
            return Err(Overloaded);
        }
        answer.await.map_err(|_| Overloaded)
    }
}

/// Starts the thread on `socket`. `ingest` and `talkback` are told who listens, and the latter what talkers say.
pub(crate) fn start(
    fanout: Fanout,
    socket: std::net::UdpSocket,
    ingest: IngestHandle,
    talkback: TalkbackHandle,
) -> anyhow::Result<FanoutHandle> {
    let poll = Poll::new().context("Failed to open an epoll instance for fan-out")?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE).context("Failed to open a waker for fan-out")?);
    let (frames, frame_queue) = inbox(FRAMES, waker.clone());
    let (speech, speech_queue) = inbox(FRAMES, waker.clone());
    let (commands, command_queue) = inbox(FRAMES, waker);
    let listen = move || {
        let socket = MediaSocket::new(socket)?;
        poll.registry().register(&mut SourceFd(&socket.raw_fd()), MEDIA, Interest::READABLE)?;
        io::Result::Ok(Driver {
            poll,
            socket,
            fanout,
            frames: frame_queue,
            speech: speech_queue,
            commands: command_queue,
            ingest,
            talkback,
            connections: Connections::new(FIRST_CONNECTION),
            streams: HashMap::new(),
            out: Output::default(),
            refused: 0,
            stream_messages_dropped: 0,
        })
    };
    let run = move || match listen() {
        Ok(driver) => driver.run(),
        Err(failure) => error!(%failure, "Fan-out cannot wait on the media socket and ends"),
    };
    thread::Builder::new().name("fanout".into()).spawn(run).context("Failed to start fan-out")?;
    Ok(FanoutHandle { frames, speech, commands })
}

struct Driver {
    poll: Poll,
    socket: MediaSocket,
    fanout: Fanout,
    frames: Receiver<OpusFrame>,
    speech: Receiver<Speech>,
    commands: Receiver<Command>,
    ingest: IngestHandle,
    talkback: TalkbackHandle,
    connections: Connections,
    streams: HashMap<SessionId, StreamSender>,
    out: Output,
    refused: u64,
    stream_messages_dropped: u64,
}

impl Driver {
    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let mut buffer = vec![0; MAX_FRAME_BYTES];
        loop {
            // 1. Sound first: it is what people notice.
            while let Ok(frame) = self.frames.try_recv() {
                self.fanout.handle_frame(&frame, Instant::now(), &mut self.out);
                self.flush();
            }
            let more = self.hear();
            // 2. Requests.
            let more = more | self.obey_all();
            // 3. Datagrams, and frames of TCP connections.
            let more = more | self.read(&mut buffer) | self.read_frames(&mut buffer);
            // 4. Timers.
            self.fanout.handle_timeout(Instant::now(), &mut self.out);
            self.flush();
            self.connections.sweep(Instant::now(), |address| self.fanout.knows(address));
            // 5. Who listens, and who talks.
            while let Some(event) = self.fanout.poll_event() {
                self.tell(event);
            }
            // 6. Wait, unless datagrams are left.
            let due =
                [self.fanout.poll_timeout(), self.connections.poll_timeout()].into_iter().flatten().min();
            let timeout = due.map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = if more { Some(Duration::ZERO) } else { timeout };
            if let Err(failure) = self.poll.poll(&mut events, timeout)
                && failure.kind() != io::ErrorKind::Interrupted
            {
                error!(%failure, "Fan-out cannot wait for packets and ends");
                return;
            }
            for event in events.iter().filter(|event| event.token().0 >= FIRST_CONNECTION) {
                self.connections.wake(event.token());
            }
        }
    }

    /// Takes what streams' talkers say, at most a budget of it. True if more may be left.
    fn hear(&mut self) -> bool {
        for _ in 0..BUDGET {
            let Ok(Speech { session, timestamp, packet }) = self.speech.try_recv() else { return false };
            self.fanout.handle_speech(session, timestamp, packet, Instant::now(), &mut self.out);
            self.flush();
        }
        true
    }

    /// The same for requests.
    fn obey_all(&mut self) -> bool {
        for _ in 0..BUDGET {
            let Ok(command) = self.commands.try_recv() else { return false };
            self.obey(command);
            self.flush();
        }
        true
    }

    /// Reads what is there, at most a budget of it. True if more may be left.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..BUDGET {
            match self.socket.receive(buffer) {
                Ok((length, from, to)) => {
                    let datagram = Incoming { from, to, bytes: &buffer[..length] };
                    self.fanout.handle_datagram(&datagram, Instant::now(), &mut self.out);
                    self.flush();
                }
                Err(failure) if failure.kind() == io::ErrorKind::WouldBlock => return false,
                Err(failure) => debug!(%failure, "Failed to read from the media socket"),
            }
        }
        true
    }

    /// The same for the connections.
    fn read_frames(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..BUDGET {
            let Some((length, from, to)) = self.connections.receive(buffer) else { return false };
            let frame = Incoming { from, to, bytes: &buffer[..length] };
            self.fanout.handle_datagram(&frame, Instant::now(), &mut self.out);
            self.connections.note(from, || self.fanout.knows(from));
            self.flush();
        }
        true
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        // A requester that went away needs no answer; the session falls silent and is dropped.
        match command {
            Command::Connect(request, reply) => {
                let _ = reply.send(self.fanout.connect(request, now));
            }
            Command::Restart(id, remote, reply) => {
                let _ = reply.send(self.fanout.restart(id, remote, now, &mut self.out));
            }
            Command::Session(id, reply) => {
                let _ = reply.send(self.fanout.session(id));
            }
            Command::Disconnect(id, reply) => {
                let _ = reply.send(self.fanout.disconnect(id, now, &mut self.out));
            }
            Command::EndSource(source) => self.fanout.end_source(&source, now, &mut self.out),
            Command::EndTalkers(source) => self.fanout.end_talkers(&source, now, &mut self.out),
            Command::Take(accepted) => self.connections.take(accepted, self.poll.registry(), now),
            Command::OpenStream(source, purpose, sender, reply) => {
                let opened = self.fanout.open_stream(source, purpose, now);
                if let Ok(session) = &opened {
                    self.streams.insert(session.id, sender);
                }
                let _ = reply.send(opened);
            }
            Command::SignOfLife(session) => self.fanout.handle_sign_of_life(session, now),
            Command::Counters(reply) => {
                let _ = reply.send(self.counters());
            }
            Command::Facts(source, own, reply) => {
                let _ = reply.send(self.fanout.facts(source.as_ref(), &own, now));
            }
            Command::Playback(id, playback, reply) => {
                let _ = reply.send(self.fanout.note_playback(id, playback));
            }
        }
    }

    fn counters(&self) -> MediaCounters {
        let streams = StreamCounters { open: self.streams.len(), dropped: self.stream_messages_dropped };
        MediaCounters {
            fanout: self.fanout.counters(),
            sessions: self.fanout.sessions(),
            refused: self.refused,
            tcp: self.connections.counters(),
            streams,
        }
    }

    fn tell(&mut self, event: FanoutEvent) {
        match event {
            FanoutEvent::Audience { source, listeners } => {
                self.ingest.tell_audience(source.clone(), listeners);
                self.talkback.tell_audience(source, listeners);
            }
            FanoutEvent::Joined { talker, source, listener } => self.talkback.join(talker, source, listener),
            FanoutEvent::Deafened { talker } => self.talkback.deafen(talker),
            FanoutEvent::Left { talker } => self.talkback.leave(talker),
            FanoutEvent::StreamEnded { session } => drop(self.streams.remove(&session)),
        }
    }

    fn flush(&mut self) {
        for frame in self.out.microphones.drain(..) {
            self.talkback.hear(frame);
        }
        for message in self.out.messages.drain(..) {
            let sent = self.streams.get(&message.session).map(|stream| stream.try_send(message));
            // One that is gone says so by a request of its own.
            if let Some(Err(TrySendError::Full(_))) = sent {
                self.stream_messages_dropped += 1;
            }
        }
        if !self.out.framed.is_empty() {
            self.connections.send(&self.out.framed);
            self.out.framed.clear();
        }
        if self.out.datagrams.is_empty() {
            return;
        }
        let refused = self.socket.send(&self.out.datagrams);
        self.out.datagrams.clear();
        if refused > 0 {
            self.refused += refused;
            debug!(refused, in_all = self.refused, "The kernel took not all datagrams");
        }
    }
}
