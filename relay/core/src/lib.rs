//! The sans-IO core of Soundport: machines that take bytes and `now`, and return values.
//!
//! No socket, clock, thread, runtime or global random number lives here; `relay/server` drives each machine from a
//! file of the same name.

mod announcement;
pub mod demo;
pub mod discovery;
mod encode;
pub mod fanout;
mod format;
mod frame;
pub mod ingest;
mod mic;
pub mod ogg;
mod rtp;
mod sample;
mod session;
pub mod talkback;

pub use announcement::{Announcement, AnnouncementKey};
pub use format::{AudioFormat, Encoding, FormatError};
pub use frame::{FrameLength, OpusFrame, RATE_HZ, Recipients, SourceId};
pub use mic::{MicFrame, TalkerId};
pub use sample::Sample;
pub use session::{NotASession, SessionId};
