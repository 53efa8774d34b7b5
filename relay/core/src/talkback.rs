//! Browser to container: microphone packets become sound.

mod limiter;
mod mix;
mod room;
mod voice;

pub use self::limiter::Limiter;
pub use self::room::{Room, Spoken};
pub use self::voice::{Voice, VoiceCounters};

/// Samples of one tick, the step that everything here goes by: 10 ms.
pub const TICK: usize = 480;
