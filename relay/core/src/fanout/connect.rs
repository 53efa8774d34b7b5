use std::time::Duration;

use thiserror::Error;

use super::datagram::Candidates;
use super::offer::{Credentials, OfferError};
use crate::frame::SourceId;
use crate::mic::TalkerId;
use crate::session::SessionId;

/// Talkers of one source: more voices than anybody could tell apart, and each costs a decoder.
pub(super) const MAX_TALKERS: usize = 16;

/// How long a session waits for its connection at the most.
pub const MAX_PATIENCE: Duration = Duration::from_secs(300);

/// Sessions that wait longer than a browser needs.
pub(super) const MAX_WAITING: usize = 64;

/// What somebody wants of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To hear it.
    Listen,
    /// To speak into it; and with which session of the same source this talker listens, if with any.
    Talk(Option<SessionId>),
}

/// A listener's or talker's request to connect.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The source.
    pub source: SourceId,
    /// What is wanted of it.
    pub purpose: Purpose,
    /// The SDP offer (RFC 8866).
    pub offer: String,
    /// The relay's addresses as the other side can reach them.
    pub candidates: Candidates,
    /// How long the session may wait for its connection; [`MAX_PATIENCE`] at the most.
    pub patience: Duration,
}

/// A session as the other side needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// What is listened to, or spoken into.
    pub source: SourceId,
    /// The talker's number; none for a listener.
    pub talker: Option<TalkerId>,
    /// Its ICE session; none of a stream.
    pub ice: Option<IceSession>,
}

/// A session's connection as ICE knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceSession {
    /// Changes with every ICE restart.
    pub tag: String,
    /// The other side's credentials.
    pub remote: Credentials,
}

/// Why somebody was not connected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// The offer cannot be answered.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The relay serves as many sessions as it may.
    #[error("the relay serves as many sessions as it may ({0})")]
    Full(usize),
    /// As many wait as may for what their users carry by hand.
    #[error("as many sessions as may ({MAX_WAITING}) wait for long")]
    TooManyWait,
    /// As many speak into the source as may.
    #[error("as many speak into {0} as may at once ({MAX_TALKERS})")]
    TalkersFull(SourceId),
    /// Nobody listens by the session that the talker names as its own.
    #[error("no session of that name listens to {0}")]
    NotListening(SourceId),
}
