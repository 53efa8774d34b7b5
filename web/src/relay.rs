//! Where the relay is, and what it is asked over HTTP. Media sessions are asked for in [`crate::rtc`].

mod base;
mod command;
mod events;
pub(crate) mod http;
pub(crate) mod json;
mod slot;
mod sse;

pub use base::Base;
pub use command::pulse_command;
pub use events::{Stream, Told};
pub use json::sources_from_text;
pub use slot::Slot;

use soundport_api::Source;

/// The answer to [`sources`] takes at most this long: two readings of the list.
const LIST_TIMEOUT_MILLIS: u32 = 4_000;

/// Why the list could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// No answer came.
    Unreachable,
    /// What answers there is no relay.
    NotARelay,
}

/// Reads the sources there are.
///
/// # Errors
/// When the relay does not answer in time, or something else answers.
pub async fn sources(base: &Base) -> Result<Vec<Source>, ListError> {
    let url = base.join("api/sources").ok_or(ListError::Unreachable)?;
    let answer = http::get(&url, LIST_TIMEOUT_MILLIS).await.map_err(|_| ListError::Unreachable)?;
    match answer.status {
        200 => sources_from_text(&answer.body).ok_or(ListError::NotARelay),
        // What proxies say of a relay that is down.
        500.. => Err(ListError::Unreachable),
        _ => Err(ListError::NotARelay),
    }
}

/// Whether a relay elsewhere answers, and only does not let this page read what it says.
pub async fn is_closed(base: &Base) -> bool {
    match base.elsewhere().and_then(|_| base.join("healthz")) {
        Some(url) => http::is_there(&url, LIST_TIMEOUT_MILLIS).await,
        None => false,
    }
}
