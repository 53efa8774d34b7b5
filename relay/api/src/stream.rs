use serde::{Deserialize, Serialize};

/// The body of `POST /api/streams`: asks for a ticket to a stream, the way of sound for browsers that WebRTC does not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRequest {
    /// The source's id.
    pub source: String,
    /// What is wanted of it.
    pub purpose: StreamPurpose,
    /// Of a talker: the session by which it listens to the same source, so that it does not hear itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
}

/// What is wanted of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamPurpose {
    /// To hear it.
    Listen,
    /// To speak into it.
    Talk,
}

/// The answer to `POST /api/streams`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTicket {
    /// Good for one WebSocket within ten seconds: its subprotocol `ticket.<this>`.
    pub ticket: String,
}

/// The first message of a stream, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOpened {
    /// The session's name, as the last part of a WHEP session's address is.
    pub session: String,
    /// A talker's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talker: Option<u32>,
}

/// The WebSocket subprotocol of streams, at `/stream`.
///
/// After the first message a listener is sent binary messages: the timestamp of the frame's first sample (48 kHz, 32 bits, big-endian,
/// from a random beginning), then the Opus packet (RFC 6716). A talker sends the same. Text of up to 64 bytes that a browser sends is
/// sent back as it is, so that it can measure the round trip.
pub const STREAM_PROTOCOL: &str = "soundport";

/// What a ticket's subprotocol begins with.
pub const TICKET_PROTOCOL: &str = "ticket.";
