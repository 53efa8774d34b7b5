//! The browser's media: the only module that touches `RTCPeerConnection`, `AudioContext` and the microphone.
//!
//! [`Output`] is a card's way to the loudspeaker and lives from *Listen* to *Stop*; a [`Session`] feeds it, by WebRTC or by a stream, and is
//! replaced when it breaks or a better one is found. Likewise a [`Microphone`] lives from *Talk* to *End*, and a [`TalkSession`] sends what it hears. What a
//! session sees is told as [`Event`](crate::state::Event)s; which session should exist is decided in [`crate::state`].

mod call;
mod context;
mod gauge;
mod keys;
mod level;
mod microphone;
mod offer;
mod output;
mod peer;
mod session;
mod spare;
mod stats;
mod stream;
mod talk_session;
mod whep;
mod wire;

pub use call::Endpoint;
pub use context::ask_to_play;
pub use gauge::{Gauge, Levels};
pub use keys::Keys;
pub use level::{Ballistics, Shown};
pub use microphone::{Devices, Microphone, MicrophoneNews, has_microphones};
pub use output::Output;
pub use peer::{Abilities, abilities};
pub use session::{Session, Ties, Wishes};
pub use spare::prepare;
pub use stats::Report;
pub use stream::media_hint;
pub use talk_session::{TalkSession, TalkTies};
