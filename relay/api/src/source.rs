use serde::{Deserialize, Serialize};

/// The sound of one container, as `GET /api/sources` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// A slug that names the source in every URL, such as `desktop`.
    pub id: String,
    /// The source's name for people.
    pub title: String,
    /// Whether there is sound to be heard now.
    pub state: SourceState,
    /// What the container sends; none until its first packet.
    pub format: Option<Format>,
    /// Whether listeners may speak into the container.
    pub talk: bool,
    /// How many sessions listen now.
    pub listeners: u32,
}

/// Whether a source has sound to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Known, but no packet has come yet.
    Waiting,
    /// Packets are coming.
    Live,
    /// Packets have stopped; listeners stay connected.
    Idle,
    /// The sender is gone.
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
}

/// How samples are written in RTP packets, by their media subtype names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// Signed 16-bit samples in network byte order (RFC 3551, section 4.5.11).
    L16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_written_as_the_interface_says() {
        let kiosk = Source {
            id: "kiosk".into(),
            title: "Kiosk".into(),
            state: SourceState::Live,
            format: Some(Format { encoding: Encoding::L16, rate: 44_100, channels: 2 }),
            talk: false,
            listeners: 0,
        };
        assert_eq!(
            serde_json::to_string(&kiosk).unwrap(),
            r#"{"id":"kiosk","title":"Kiosk","state":"live","format":{"encoding":"L16","rate":44100,"channels":2},"talk":false,"listeners":0}"#
        );
    }
}
