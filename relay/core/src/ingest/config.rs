use std::net::IpAddr;

use super::RtpPort;
use super::probation::StreamKey;
use super::source::Claim;
use crate::encode::EncodeConfig;
use crate::format::AudioFormat;
use crate::frame::{FrameLength, SourceId};

/// How ingest works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestConfig {
    /// How sources are encoded that do not say otherwise.
    pub encode: EncodeConfig,
    /// The port at which senders become sources without being configured or announced.
    pub port: RtpPort,
    /// Whether multicast groups that containers announce are joined.
    pub multicast: bool,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self { encode: EncodeConfig::default(), port: RtpPort(5004), multicast: false }
    }
}

/// A source that the configuration names.
///
/// With neither `from` nor `port` it is the one that is announced or found under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// Names it in URLs.
    pub id: SourceId,
    /// Names it for people.
    pub title: String,
    /// The addresses that its packets come from. None means any; an empty list, that its name stands for no address yet.
    pub from: Option<Vec<IpAddr>>,
    /// The port that its packets come from.
    pub from_port: Option<u16>,
    /// The port that its packets go to.
    pub port: Option<RtpPort>,
    /// What its packets hold, where nobody announces it.
    pub format: Option<AudioFormat>,
    /// How much sound a frame holds, where it differs.
    pub frame: Option<FrameLength>,
    /// Bits per second that its Opus takes, where they differ.
    pub bitrate_bps: Option<u32>,
    /// What is wrong with the entry, in words for people.
    pub trouble: Option<String>,
}

impl SourceConfig {
    pub(crate) fn encode(&self, usual: EncodeConfig) -> EncodeConfig {
        EncodeConfig {
            frame: self.frame.unwrap_or(usual.frame),
            bitrate_bps: self.bitrate_bps.unwrap_or(usual.bitrate_bps),
        }
    }

    pub(crate) fn claim(&self, key: StreamKey) -> Option<Claim> {
        if self.port.is_some_and(|port| port != key.to)
            || self.from_port.is_some_and(|port| port != key.from.port())
        {
            return None;
        }
        match &self.from {
            Some(from) => from.contains(&key.from.ip()).then_some(Claim::Sender),
            None => self.port.map(|_| Claim::Port),
        }
    }

    /// Whether it says nothing of where its source comes from: it is the one known by its id.
    pub(crate) fn means_by_id(&self) -> bool {
        self.from.is_none() && self.port.is_none()
    }

    /// Whether a stream that `sender` announces for `port`, by a name with this slug, is meant.
    pub(crate) fn means(&self, sender: IpAddr, port: RtpPort, slug: &str) -> bool {
        match (&self.from, self.port) {
            (Some(from), own) => from.contains(&sender) && own.is_none_or(|own| own == port),
            (None, Some(own)) => own == port,
            (None, None) => self.id.as_str() == slug,
        }
    }
}
