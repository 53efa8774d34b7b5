use std::rc::Rc;

use web_sys::RtcPeerConnectionState;

use super::call::Call;
use super::stats::Snapshot;
use super::stream::Stream;
use crate::state::{Event, Refusal};

/// What carries a session's sound: WebRTC, or a stream.
#[derive(Clone)]
pub(super) enum Wire {
    Call(Rc<Call>),
    Stream(Rc<Stream>),
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Opening,
    Connected,
    /// WebRTC gets no answers, and has not given up.
    Doubtful,
    Broken,
    Refused(Refusal),
    /// This browser cannot, in words.
    Unable(String),
}

impl Standing {
    /// What there is to tell of a session that has ended.
    pub(super) fn end(self) -> Option<Event> {
        let jitter = js_sys::Math::random();
        match self {
            Self::Opening | Self::Connected | Self::Doubtful => None,
            Self::Broken => Some(Event::broken(jitter)),
            Self::Refused(refusal) => Some(Event::Refused(refusal, jitter)),
            Self::Unable(words) => Some(Event::Unable(words)),
        }
    }
}

impl Wire {
    pub(super) fn standing(&self) -> Standing {
        match self {
            Self::Stream(stream) => stream.standing(),
            Self::Call(call) => match call.peer.state() {
                RtcPeerConnectionState::Connected => Standing::Connected,
                RtcPeerConnectionState::Disconnected => Standing::Doubtful,
                RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed => Standing::Broken,
                _ => Standing::Opening,
            },
        }
    }

    /// Something is odd: a relay that restarted does not know the session, one that is gone does not answer. A stream notices by itself.
    pub(super) async fn ask(&self) -> Option<Event> {
        match self {
            Self::Call(call) => call.ask().await,
            Self::Stream(_) => None,
        }
    }

    /// Whether the relay has given a session that can be asked about.
    pub(super) fn stands(&self) -> bool {
        matches!(self, Self::Call(call) if call.stands())
    }

    /// The name that the relay gave the session.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Call(call) => call.name(),
            Self::Stream(stream) => stream.name(),
        }
    }

    /// The counters now; none before there are any.
    pub(super) async fn snapshot(&self) -> Option<Snapshot> {
        match self {
            Self::Call(call) => call.peer.snapshot().await,
            Self::Stream(stream) => stream.snapshot(),
        }
    }

    /// Lets packets wait for at least this long before they are played.
    pub(super) fn hold_packets(&self, millis: f64) {
        match self {
            Self::Call(call) => call.peer.hold_packets(millis),
            Self::Stream(stream) => stream.with(|line| line.hold(millis)),
        }
    }

    /// Ends it at both ends.
    pub(super) fn close(&self) {
        if let Self::Call(call) = self {
            Rc::clone(call).close();
        }
    }
}
