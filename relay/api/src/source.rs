use serde::{Deserialize, Serialize};

use crate::Talkback;

/// The sound of one container, as `GET /api/sources` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// A slug that names the source in every URL, such as `desktop`.
    pub id: String,
    /// The source's name for people.
    pub title: String,
    /// Whether there is sound to be heard now.
    pub state: SourceState,
    /// What the container sends; none until it is known.
    pub format: Option<Format>,
    /// Whether listeners may speak into the container.
    pub talk: bool,
    /// The way back into the container; none where nobody may talk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talkback: Option<Talkback>,
    /// Whether it is a room: no container, only those who talk and listen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub room: bool,
    /// How many sessions listen now.
    pub listeners: u32,
    /// What keeps it from being heard, in words for people; none while nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Whether a source has sound to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Configured or announced, but no packet has come yet.
    Waiting,
    /// Sound is coming.
    Live,
    /// Its packets or its sound stopped; listeners stay connected.
    Idle,
    /// The sender said goodbye, or is gone.
    Lost,
}

/// The format a container sends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// How samples are written in the packets.
    pub encoding: Encoding,
    /// Sample rate in hertz.
    pub rate: u32,
    /// Channels, interleaved.
    pub channels: u8,
    /// Where this is known from.
    pub found: Found,
}

/// How samples are written in RTP packets, by their media subtype names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// Signed 16-bit samples in network byte order (RFC 3551, section 4.5.11).
    L16,
    /// Signed 24-bit samples in network byte order (RFC 3190, section 4).
    L24,
    /// G.711, µ-law (RFC 3551, section 4.5.14).
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711, A-law (RFC 3551, section 4.5.14).
    #[serde(rename = "PCMA")]
    Pcma,
    /// Opus (RFC 7587), which is passed on as it is.
    #[serde(rename = "opus")]
    Opus,
}

/// How a source's format was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The container announced it (SAP, RFC 2974).
    Announced,
    /// The relay's configuration says it.
    Configured,
    /// The packets' payload type stands for it (RFC 3551, section 6).
    PayloadType,
    /// Measured: by the bytes that come in a second, or by what the packets hold.
    Measured,
    /// Nothing says otherwise yet.
    Assumed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TalkbackState, Talker};

    #[test]
    fn a_room_is_written_as_the_interface_says() {
        let room = Source {
            id: "room".into(),
            title: "Room".into(),
            state: SourceState::Idle,
            format: None,
            talk: true,
            talkback: Some(Talkback {
                state: TalkbackState::Open,
                talkers: vec![Talker { id: 7, speaking: true }],
                trouble: None,
            }),
            room: true,
            listeners: 2,
            trouble: None,
        };
        assert_eq!(
            serde_json::to_string(&room).unwrap(),
            r#"{"id":"room","title":"Room","state":"idle","format":null,"talk":true,"talkback":{"state":"open","talkers":[{"id":7,"speaking":true}]},"room":true,"listeners":2}"#
        );
    }

    #[test]
    fn a_source_is_written_as_the_interface_says() {
        let kiosk = Source {
            id: "kiosk".into(),
            title: "Kiosk".into(),
            state: SourceState::Live,
            format: Some(Format {
                encoding: Encoding::L16,
                rate: 44_100,
                channels: 2,
                found: Found::PayloadType,
            }),
            talk: false,
            talkback: None,
            room: false,
            listeners: 0,
            trouble: None,
        };
        assert_eq!(
            serde_json::to_string(&kiosk).unwrap(),
            r#"{"id":"kiosk","title":"Kiosk","state":"live","format":{"encoding":"L16","rate":44100,"channels":2,"found":"payload-type"},"talk":false,"listeners":0}"#
        );
    }
}
