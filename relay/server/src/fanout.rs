//! Drives [`Fanout`]: the media socket's event loop, on a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use soundport_core::fanout::{
    Connect, ConnectError, Credentials, Fanout, FanoutCounters, FanoutEvent, Incoming, OfferError, Output,
    Session,
};
use soundport_core::{OpusFrame, SessionId, SourceId};
use tokio::sync::oneshot;
use tracing::{debug, error};

use crate::inbox::{Outbox, inbox};
use crate::ingest::IngestHandle;
use crate::talkback::TalkbackHandle;
use crate::udp::MediaSocket;

const MEDIA: Token = Token(0);
const WAKE: Token = Token(1);

/// The largest datagram that any part of WebRTC sends is one MTU.
const BUFFER_BYTES: usize = 2048;

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
    Counters(oneshot::Sender<MediaCounters>),
}

/// What happened at the media port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaCounters {
    pub(crate) fanout: FanoutCounters,
    pub(crate) sessions: usize,
    /// Datagrams that the kernel would not take.
    pub(crate) refused: u64,
}

/// The fan-out as the other threads see it. It will stand for several threads; today it is one.
#[derive(Clone)]
pub(crate) struct FanoutHandle {
    frames: Outbox<OpusFrame>,
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

    /// What was counted so far.
    pub(crate) async fn counters(&self) -> Result<MediaCounters, Overloaded> {
        self.ask(Command::Counters).await
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
    let (commands, command_queue) = inbox(FRAMES, waker);
    let listen = move || {
        let socket = MediaSocket::new(socket)?;
        poll.registry().register(&mut SourceFd(&socket.raw_fd()), MEDIA, Interest::READABLE)?;
        io::Result::Ok(Driver {
            poll,
            socket,
            fanout,
            frames: frame_queue,
            commands: command_queue,
            ingest,
            talkback,
            out: Output::default(),
            refused: 0,
        })
    };
    let run = move || match listen() {
        Ok(driver) => driver.run(),
        Err(failure) => error!(%failure, "Fan-out cannot wait on the media socket and ends"),
    };
    thread::Builder::new().name("fanout".into()).spawn(run).context("Failed to start fan-out")?;
    Ok(FanoutHandle { frames, commands })
}

struct Driver {
    poll: Poll,
    socket: MediaSocket,
    fanout: Fanout,
    frames: Receiver<OpusFrame>,
    commands: Receiver<Command>,
    ingest: IngestHandle,
    talkback: TalkbackHandle,
    out: Output,
    refused: u64,
}

impl Driver {
    fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            // 1. Sound first: it is what people notice.
            while let Ok(frame) = self.frames.try_recv() {
                self.fanout.handle_frame(&frame, Instant::now(), &mut self.out);
                self.flush();
            }
            // 2. Requests.
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
                self.flush();
            }
            // 3. Datagrams.
            let more = self.read(&mut buffer);
            // 4. Timers.
            self.fanout.handle_timeout(Instant::now(), &mut self.out);
            self.flush();
            // 5. Who listens, and who talks.
            while let Some(event) = self.fanout.poll_event() {
                self.tell(event);
            }
            // 6. Wait, unless datagrams are left.
            let timeout = self.fanout.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = if more { Some(Duration::ZERO) } else { timeout };
            if let Err(failure) = self.poll.poll(&mut events, timeout)
                && failure.kind() != io::ErrorKind::Interrupted
            {
                error!(%failure, "Fan-out cannot wait for packets and ends");
                return;
            }
        }
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
            Command::Counters(reply) => {
                let _ = reply.send(MediaCounters {
                    fanout: self.fanout.counters(),
                    sessions: self.fanout.sessions(),
                    refused: self.refused,
                });
            }
        }
    }

    fn tell(&self, event: FanoutEvent) {
        match event {
            FanoutEvent::Audience { source, listeners } => {
                self.ingest.tell_audience(source.clone(), listeners);
                self.talkback.tell_audience(source, listeners);
            }
            FanoutEvent::Joined { talker, source, listener } => self.talkback.join(talker, source, listener),
            FanoutEvent::Deafened { talker } => self.talkback.deafen(talker),
            FanoutEvent::Left { talker } => self.talkback.leave(talker),
        }
    }

    fn flush(&mut self) {
        for frame in self.out.microphones.drain(..) {
            self.talkback.hear(frame);
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
