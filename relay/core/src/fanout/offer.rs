//! What an SDP offer says that matters here.
//!
//! An offer may hold video, data, several audio sections, candidates and extensions. Only one thing is ever accepted:
//! Opus in one audio section. So the offer is read into [`Offer`], and str0m is handed a fresh one with just that
//! section; [`super::answer`] puts the rejected ones back. A talker's offer must not hold anything else: whoever sends
//! video is not to believe that it arrives (RFC 9725, section 4.4.2).

use sdp_types::{Attribute, Media, Session};
use thiserror::Error;

/// Which way the sound goes, as the relay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// To a listener.
    Out,
    /// From a talker.
    In,
}

/// An offer that can be answered.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// Which way its sound goes.
    pub(super) flow: Flow,
    /// The ICE username fragment and password of the offerer.
    pub(super) credentials: Credentials,
    /// The m-line that is accepted, and those that are not, in the offer's order.
    pub(super) sections: Vec<Section>,
    /// Whether the offer bundles (RFC 9143).
    pub(super) bundled: bool,
    fingerprint: String,
    setup: String,
    mid: Option<String>,
    mid_extension: Option<String>,
    payload_type: u8,
    format_parameters: Option<String>,
}

/// ICE credentials of the other side (RFC 8445, section 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The username fragment.
    pub ufrag: String,
    /// The password.
    pub password: String,
}

/// One m-line of an offer.
#[derive(Debug, Clone)]
pub(super) enum Section {
    /// The audio section that is answered.
    Accepted,
    /// A section that is rejected: its m-line with port 0, its MID, and what it said of its formats.
    Rejected { m_line: String, mid: Option<String>, formats: Vec<Attribute> },
}

/// Why an offer cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OfferError {
    /// Not SDP (RFC 8866).
    #[error("the offer is not valid SDP: {0}")]
    Malformed(String),
    /// SDP without something that WebRTC needs.
    #[error("the offer lacks {0}")]
    Incomplete(&'static str),
    /// No audio section that could receive Opus.
    #[error("the offer has no audio section that receives Opus (a=recvonly, opus/48000/2)")]
    NoOpus,
    /// No audio section that could send Opus.
    #[error("the offer has no audio section that sends Opus (a=sendonly, opus/48000/2)")]
    NoMicrophone,
    /// More than a microphone.
    #[error("the offer has {0} sections; a talker offers one audio section and nothing else")]
    NotAlone(usize),
    /// The WebRTC engine refused it.
    #[error("the offer cannot be answered: {0}")]
    Refused(String),
}

impl Offer {
    /// Reads an SDP offer (RFC 9429, section 5.2.1).
    pub(super) fn parse(sdp: &str, flow: Flow) -> Result<Self, OfferError> {
        let session =
            Session::parse(sdp.as_bytes()).map_err(|error| OfferError::Malformed(error.to_string()))?;
        if flow == Flow::In && session.medias.len() > 1 {
            return Err(OfferError::NotAlone(session.medias.len()));
        }
        let accepted =
            session.medias.iter().position(|media| has_opus(media, flow)).ok_or_else(|| flow.lacks())?;
        let audio = &session.medias[accepted];
        let (payload_type, format_parameters) = opus(audio).ok_or_else(|| flow.lacks())?;
        let transport = |name| transport_attribute(&session, audio, name);

        Ok(Self {
            flow,
            credentials: Credentials {
                ufrag: transport("ice-ufrag").ok_or(OfferError::Incomplete("a=ice-ufrag"))?,
                password: transport("ice-pwd").ok_or(OfferError::Incomplete("a=ice-pwd"))?,
            },
            sections: session.medias.iter().enumerate().map(|(i, m)| section(m, i == accepted)).collect(),
            bundled: session.attributes.iter().any(is_bundle),
            fingerprint: transport("fingerprint").ok_or(OfferError::Incomplete("a=fingerprint"))?,
            setup: transport("setup").unwrap_or_else(|| "actpass".into()),
            mid: value(&audio.attributes, "mid").map(str::to_owned),
            mid_extension: mid_extension(audio),
            payload_type,
            format_parameters,
        })
    }

    /// The same offer after an ICE restart.
    pub(super) fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// The accepted section's MID, if the offer gives it one.
    pub(super) fn mid(&self) -> Option<&str> {
        self.mid.as_deref()
    }

    /// The payload type that the offer gives to Opus.
    pub(super) fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Whether the offerer would play, or send, both ears (RFC 7587, section 6.1).
    pub(super) fn is_stereo(&self) -> bool {
        let parameters = self.format_parameters.as_deref().unwrap_or_default();
        parameters.split(';').any(|parameter| parameter.trim() == "stereo=1")
    }

    /// The offer reduced to its one accepted section, as str0m is to see it.
    pub(super) fn narrowed(&self) -> String {
        let mid = self.mid().unwrap_or("0");
        let pt = self.payload_type;
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF {pt}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:{}\r\n\
             a={}\r\na=rtcp-mux\r\na=rtpmap:{pt} opus/48000/2\r\n",
            self.credentials.ufrag,
            self.credentials.password,
            self.fingerprint,
            self.setup,
            self.flow.offered()
        );
        if let Some(parameters) = &self.format_parameters {
            sdp.push_str(&format!("a=fmtp:{pt} {parameters}\r\n"));
        }
        if let Some(extension) = &self.mid_extension {
            sdp.push_str(&format!("a=extmap:{extension}\r\n"));
        }
        sdp
    }
}

fn section(media: &Media, accepted: bool) -> Section {
    if accepted {
        return Section::Accepted;
    }
    let of_format = |attribute: &&Attribute| matches!(attribute.attribute.as_str(), "rtpmap" | "fmtp");
    Section::Rejected {
        m_line: format!("m={} 0 {} {}", media.media, media.proto, media.fmt),
        mid: value(&media.attributes, "mid").map(str::to_owned),
        formats: media.attributes.iter().filter(of_format).cloned().collect(),
    }
}

impl Flow {
    fn lacks(self) -> OfferError {
        match self {
            Self::Out => OfferError::NoOpus,
            Self::In => OfferError::NoMicrophone,
        }
    }

    /// The direction as the offerer says it.
    fn offered(self) -> &'static str {
        match self {
            Self::Out => "recvonly",
            Self::In => "sendonly",
        }
    }

    /// The direction that the offerer must not say.
    fn opposed(self) -> &'static str {
        match self {
            Self::Out => "sendonly",
            Self::In => "recvonly",
        }
    }
}

fn has_opus(media: &Media, flow: Flow) -> bool {
    let flows = !media.has_attribute(flow.opposed()) && !media.has_attribute("inactive");
    // A bundle-only section has port 0 and is meant all the same (RFC 9143, section 6).
    let offered = media.port != 0 || media.has_attribute("bundle-only");
    media.media == "audio" && flows && offered && opus(media).is_some()
}

/// Opus' payload type (RFC 7587, section 7) and its format parameters.
fn opus(media: &Media) -> Option<(u8, Option<String>)> {
    let pt = values(&media.attributes, "rtpmap").find_map(|rtpmap| {
        let (pt, encoding) = rtpmap.split_once(' ')?;
        encoding.trim().eq_ignore_ascii_case("opus/48000/2").then_some(pt)
    })?;
    let parameters = values(&media.attributes, "fmtp").find_map(|fmtp| {
        let (of, parameters) = fmtp.split_once(' ')?;
        (of == pt).then(|| parameters.to_owned())
    });
    Some((pt.parse().ok().filter(|pt| *pt < 128)?, parameters))
}

/// An attribute of the transport: of the section, of the session, or of the section that a bundle hangs on
/// (RFC 9143, section 7.1.3: bundle-only sections carry none of their own).
fn transport_attribute(session: &Session, audio: &Media, name: &str) -> Option<String> {
    let bundle = session.medias.iter().find_map(|media| value(&media.attributes, name));
    let found = value(&audio.attributes, name).or_else(|| value(&session.attributes, name)).or(bundle);
    found.filter(|value| !value.is_empty()).map(str::to_owned)
}

fn mid_extension(audio: &Media) -> Option<String> {
    const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    values(&audio.attributes, "extmap")
        .find(|extmap| extmap.split(' ').nth(1) == Some(MID))
        .map(str::to_owned)
}

fn is_bundle(attribute: &Attribute) -> bool {
    attribute.attribute == "group" && attribute.value.as_deref().is_some_and(|v| v.starts_with("BUNDLE"))
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    values(attributes, name).next()
}

fn values<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter(move |a| a.attribute == name).filter_map(|a| a.value.as_deref()).map(str::trim)
}
