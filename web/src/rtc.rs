//! The browser's media: the only module that touches `RTCPeerConnection` and `AudioContext`.
//!
//! [`Output`] is a card's way to the loudspeaker and lives from *Listen* to *Stop*; a [`Session`] is one WebRTC connection that feeds it,
//! and is replaced when it breaks. What a session sees is told as [`Event`](crate::state::Event)s; which session should exist is decided in
//! [`crate::state`].

mod keys;
mod level;
mod offer;
mod output;
mod peer;
mod session;
mod spare;
mod stats;
mod whep;

pub use keys::Keys;
pub use level::{Ballistics, Shown};
pub use output::{Levels, Output, ask_to_play};
pub use peer::{Abilities, abilities};
pub use session::{Session, Ties, Wishes};
pub use spare::prepare;
pub use stats::Report;
