//! Where the page's state meets the browser: each hook returns a handle.

mod board;
mod feed;
mod use_desk;
mod use_listening;
mod use_route;
mod use_settings;
mod use_sources;

pub use board::{Board, Posted};
pub use use_desk::{DeskHandle, use_desk};
pub use use_listening::{Conditions, ListeningHandle, OpenOutput, use_listening};
pub use use_route::use_route;
pub use use_settings::{SettingsHandle, use_settings};
pub use use_sources::{SourcesHandle, use_levels, use_sources};
