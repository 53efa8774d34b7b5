//! Where the page's state meets the browser: each hook returns a handle.

mod use_listening;
mod use_sources;
mod use_volume;

pub use use_listening::{ListeningHandle, OpenOutput, use_listening};
pub use use_sources::{Link, SourcesHandle, use_sources};
pub use use_volume::{VolumeHandle, use_volume};
