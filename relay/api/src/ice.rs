use serde::{Deserialize, Serialize};

/// The answer to `GET /api/ice`: a browser's `RTCConfiguration` (WebRTC, section 4.2.1), with credentials minted for this request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IceConfiguration {
    /// The STUN and TURN servers that a browser may use.
    #[serde(rename = "iceServers")]
    pub ice_servers: Vec<IceServer>,
    /// `relay` where a browser is to take no way but TURN; none for every way.
    #[serde(rename = "iceTransportPolicy", default, skip_serializing_if = "Option::is_none")]
    pub ice_transport_policy: Option<String>,
}

/// Servers that share their credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// Who the browser is to TURN; none for STUN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The answer to `GET /api/ice/check`: what became of trying a TURN server, one for each URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCheck {
    /// The server.
    pub url: String,
    /// What is wrong and what to do, in words for people; none where it answers and takes the relay's credentials.
    pub trouble: Option<String>,
}
