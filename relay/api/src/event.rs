use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The names of the events of `GET /api/events`, in the `event` field of each (HTML, section 9.2, server-sent events).
///
/// The stream begins with [`RELAY`](event_name::RELAY) and [`SOURCES`](event_name::SOURCES). A comment comes where nothing
/// else does for ten seconds: a stream without either for much longer is dead.
pub mod event_name {
    /// Data is a [`Relay`](super::Relay): at the beginning, and when it changes.
    pub const RELAY: &str = "relay";
    /// Data is a list of [`Source`](crate::Source)s, all there are: at the beginning, and after events were missed.
    pub const SOURCES: &str = "sources";
    /// Data is a [`Source`](crate::Source) that came or changed.
    pub const SOURCE: &str = "source";
    /// Data is a [`Gone`](super::Gone): the source is no longer known.
    pub const GONE: &str = "gone";
    /// Data is [`Levels`](super::Levels), ten times a second while one of the sources asked for sounds.
    pub const LEVELS: &str = "levels";
}

/// The relay itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Relay {
    /// Names this run of the relay: another one knows none of its sessions.
    pub instance: String,
    /// What is wrong, in words for people, such as a configuration that could not be loaded again; none while all is well.
    pub trouble: Option<String>,
    /// Whether it names STUN or TURN servers at `GET /api/ice`.
    pub ice: bool,
    /// What is wrong with its TURN servers, in words for people; none while all is well, or nobody knows yet.
    pub ice_trouble: Option<String>,
    /// Whether it was told, or has found out, where browsers outside reach it; else it offers its host's own addresses.
    pub announced: bool,
}

/// A source that is no longer known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Its id.
    pub id: String,
}

/// The largest sample magnitudes, left and right, 0 to 1, of the last tenth of a second, by the source's id.
///
/// Holds the sources asked for (`?levels=id,id`) that are not silent; one that falls silent is in it once more, with zeros.
pub type Levels = BTreeMap<String, [f32; 2]>;
