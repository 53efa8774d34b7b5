//! What a card knows about its listening: a pure machine, driven by [`crate::hooks::use_listening`].
//!
//! No browser type is named here, so that every way through it is tested natively.

mod backoff;
mod failure;
mod listening;
mod sources;
mod watch;

pub use backoff::backoff_millis;
pub use failure::{Failure, Pause, Quiet, Refusal};
pub use listening::{Attempt, Event, Listening, Phase};
pub use sources::merge;
pub use watch::{Finding, Reading, Watch};
