//! What is seen. Components draw what hooks hand them, and keep no state of their own but what is seen alone.

mod app;
mod card_face;
mod controls;
mod copy_line;
mod details;
mod header;
mod icons;
mod meter;
mod notice;
mod source_card;
mod toggle;

pub use app::App;
pub use card_face::{CardFace, CardFaceProps};
pub use controls::{Controls, ControlsProps};
pub use copy_line::{CopyLine, CopyLineProps};
pub use details::{Details, DetailsProps};
pub use header::{Header, HeaderProps};
pub use meter::{Meter, MeterProps};
pub use notice::{Notice, NoticeProps};
pub use source_card::{SourceCard, SourceCardProps};
