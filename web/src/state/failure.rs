/// Why no sound is heard although the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// The relay says that the source has stopped.
    SourceStopped,
    /// Packets come, and hold silence.
    Zeros,
    /// The connection stands, and no packet comes.
    NoPackets,
}

/// Why listening waits for its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The connection broke.
    Broken,
    /// The relay does not answer.
    NoRelay,
    /// The relay answers, and does not know the source any more.
    SourceGone,
    /// The source has sent nothing yet (409).
    NotLive,
    /// The relay has as many listeners as it takes (503).
    Busy,
}

/// Why listening gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The relay did not answer.
    NoRelay,
    /// The relay does not know the source.
    UnknownSource,
    /// The relay does not allow it (403), in its own words.
    Forbidden(String),
    /// The relay refused, in its own words.
    Refused(String),
    /// The relay answered, and its sound did not get through.
    NoMedia,
    /// This browser has no WebRTC.
    NoWebRtc,
    /// This browser has no WebRTC and cannot do without, in words.
    Unable(String),
    /// The browser lets no sound out before another click.
    Blocked,
}

/// How the relay answered the request for a session, when it gave none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No answer came.
    Unreachable,
    /// The relay said no.
    Status {
        /// The HTTP status code.
        code: u16,
        /// `Retry-After`, where the relay named a time.
        retry_after_secs: Option<u32>,
        /// The problem's detail, or the status in words.
        detail: String,
    },
    /// The answer could not be used by this browser.
    Unusable(String),
}
