//! What the page knows: of the relay and its sources, of what plays, and of each source's listening. Pure machines, driven by [`crate::desk`].
//!
//! No browser type is named here, so that every way through it is tested natively.

mod backoff;

mod failure;
mod filter;
mod ladder;
mod listening;
mod mix;
mod roster;
mod round_trip;
mod sources;
mod talk;
mod talking;
mod watch;
mod way;

pub use backoff::backoff_millis;

use listening::LONGEST_RETRY_AFTER_SECS;

pub use failure::{Failure, Pause, Quiet, Refusal};
pub use filter::is_meant;
pub use ladder::{Ladder, Leg, Means};
pub use listening::{Attempt, Event, Listening, Phase};
pub use mix::{Heard, Mix, Move};
pub use roster::{Link, News, Roster};
pub use round_trip::{RoundTrip, Sample};
pub use sources::merge;
pub use talk::{Standing, TalkEvent, Trouble};
pub use talking::Talking;
pub use watch::{Finding, Reading, Watch};
pub use way::Way;
