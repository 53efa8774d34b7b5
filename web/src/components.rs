//! What is seen. Components draw what the desk hands them, and keep no state of their own but what is seen alone.

mod app;
mod button;
mod controls;
mod copy_line;
mod details;
mod header;
mod icons;
mod meter;
mod notice;
mod source_card;
mod talk;

pub use app::App;
pub use meter::{Meter, MeterProps};
pub use source_card::{SourceCard, SourceCardProps};
