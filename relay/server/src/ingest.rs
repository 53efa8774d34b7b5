//! Drives [`Ingest`]: the RTP socket's event loop, on a thread of its own.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use soundport_api as api;
use soundport_core::SourceId;
use soundport_core::ingest::{Ingest, IngestCounters, SenderAddr, SourceState, SourceStatus};
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, trace, warn};

use crate::fanout::FanoutHandle;
use crate::inbox::{Outbox, inbox};
use crate::network::is_private;
use crate::udp::RtpSocket;

const RTP: Token = Token(0);
const WAKE: Token = Token(1);

/// Larger than any UDP datagram: what does not fit a packet is for ingest to judge.
const BUFFER_BYTES: usize = 65_536;

/// Datagrams read before timers and commands get their turn.
const BUDGET: usize = 256;

/// What other threads tell or ask of ingest.
enum Request {
    Audience(SourceId, u32),
    Counters(oneshot::Sender<RtpCounters>),
}

/// What happened to the datagrams that came to the RTP port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpCounters {
    pub(crate) ingest: IngestCounters,
    /// Datagrams from outside private networks.
    pub(crate) strangers: u64,
}

/// Ingest as the other threads see it.
#[derive(Clone)]
pub(crate) struct IngestHandle(Outbox<Request>);

impl IngestHandle {
    /// Says how many sessions listen to a source: with none it is not encoded.
    pub(crate) fn tell_audience(&self, source: SourceId, listeners: u32) {
        if !self.0.send(Request::Audience(source, listeners)) {
            warn!("Ingest is behind and was not told who listens");
        }
    }

    /// What was counted so far. None if ingest does not answer.
    pub(crate) async fn counters(&self) -> Option<RtpCounters> {
        let (reply, answer) = oneshot::channel();
        if !self.0.send(Request::Counters(reply)) {
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
        fanout: FanoutHandle,
        sources: watch::Sender<Arc<[api::Source]>>,
    ) -> anyhow::Result<()> {
        let socket = RtpSocket::new(socket).context("Failed to set up the RTP socket")?;
        let Self { poll, inbox } = self;
        poll.registry()
            .register(&mut SourceFd(&socket.raw_fd()), RTP, Interest::READABLE)
            .context("Failed to wait on the RTP socket")?;
        let driver =
            Driver { poll, socket, requests: inbox.1, ingest, fanout, sources, revision: None, strangers: 0 };
        thread::Builder::new()
            .name("ingest".into())
            .spawn(move || driver.run())
            .context("Failed to start ingest")?;
        Ok(())
    }
}

struct Driver {
    poll: Poll,
    socket: RtpSocket,
    requests: Receiver<Request>,
    ingest: Ingest,
    fanout: FanoutHandle,
    sources: watch::Sender<Arc<[api::Source]>>,
    revision: Option<u64>,
    strangers: u64,
}

impl Driver {
    fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            // 1. Who listens decides what is encoded.
            while let Ok(request) = self.requests.try_recv() {
                self.obey(request);
            }
            // 2. Packets.
            let more = self.read(&mut buffer);
            // 3. Timers, once no packet waits that came before them.
            if !more {
                self.ingest.handle_timeout(Instant::now());
                self.forward();
            }
            // 4. What changed.
            self.publish();
            // 5. Wait, unless packets are left.
            let timeout = self.ingest.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = if more { Some(std::time::Duration::ZERO) } else { timeout };
            if let Err(failure) = self.poll.poll(&mut events, timeout)
                && failure.kind() != io::ErrorKind::Interrupted
            {
                error!(%failure, "Ingest cannot wait for packets and ends");
                return;
            }
        }
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Audience(source, listeners) => {
                self.ingest.set_listeners(&source, listeners, Instant::now());
            }
            Request::Counters(reply) => {
                // A requester that went away needs no answer.
                let _ = reply.send(RtpCounters { ingest: self.ingest.counters(), strangers: self.strangers });
            }
        }
    }

    /// Reads what is there, at most a budget of it. True if more may be left.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..BUDGET {
            match self.socket.receive(buffer) {
                Ok((length, from, at)) if is_private(from.ip()) => {
                    self.ingest.handle_datagram(SenderAddr(from), &buffer[..length], at);
                    self.forward();
                }
                Ok((_, from, _)) => {
                    self.strangers += 1;
                    trace!(%from, count = self.strangers, "Datagram from outside private networks dropped");
                }
                Err(failure) if failure.kind() == io::ErrorKind::WouldBlock => return false,
                Err(failure) => debug!(%failure, "Failed to read from the RTP socket"),
            }
        }
        true
    }

    fn forward(&mut self) {
        while let Some(frame) = self.ingest.poll_frame() {
            self.fanout.send_frame(frame);
        }
    }

    fn publish(&mut self) {
        let revision = Some(self.ingest.revision());
        if self.revision != revision {
            self.revision = revision;
            self.sources.send_replace(self.ingest.sources().map(describe).collect());
        }
    }
}

fn describe(status: SourceStatus) -> api::Source {
    api::Source {
        id: status.id.as_str().to_owned(),
        title: status.title,
        state: match status.state {
            SourceState::Waiting => api::SourceState::Waiting,
            SourceState::Live => api::SourceState::Live,
            SourceState::Idle => api::SourceState::Idle,
            SourceState::Lost => api::SourceState::Lost,
        },
        format: status.format.map(|format| api::Format {
            encoding: api::Encoding::L16,
            rate: format.rate_hz,
            channels: format.channels,
            found: api::Found::Measured,
        }),
        talk: false,
        listeners: status.listeners,
        trouble: None,
    }
}
