use serde::{Deserialize, Serialize};

/// The header of the answer to `POST /whip/{source}` that tells a talker its own [`Talker::id`].
pub const TALKER_HEADER: &str = "soundport-talker";

/// The way back into a container: who talks, and whether the container takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talkback {
    /// Whether what is said arrives.
    pub state: TalkbackState,
    /// Those who are connected to talk, the longest connected first.
    pub talkers: Vec<Talker>,
    /// Why what is said does not arrive, and what to do, in words for people; none while it does, or nobody talks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// One who is connected to talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talker {
    /// A running number. The answer to the talker's own `POST` names it in [`TALKER_HEADER`].
    pub id: u32,
    /// Whether it is heard now.
    pub speaking: bool,
}

/// Whether what is said into a container arrives there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TalkbackState {
    /// Nobody is connected to talk; nothing is sent.
    Closed,
    /// Someone is, and the container is being told. What is said now may be lost.
    Opening,
    /// What is said arrives: speak.
    Open,
    /// The container does not take it. It is tried again and again.
    Refused,
}
