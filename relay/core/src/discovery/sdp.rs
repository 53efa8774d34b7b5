//! What matters of an announcement's SDP (RFC 8866): everything else in it may be as strange as it likes.
//!
//! Read by hand, because a parser of all of SDP refuses a whole announcement for a line that nobody needs: a user's name
//! with a space, a zero byte at the end, a `t=` line of one word.

use std::net::IpAddr;

use thiserror::Error;

use super::name;
use crate::announcement::{Announcement, AnnouncementKey};
use crate::format::AudioFormat;
use crate::talkback::USERNAME;

/// Why an announcement cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Unusable {
    #[error("not SDP, or without what matters")]
    Malformed,
    #[error("no stream of sound in it")]
    NoAudio,
    #[error("a relay's microphone, no container's sound")]
    Microphone,
}

/// A session description.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    origin: Option<&'a str>,
    name: &'a str,
    connection: Option<IpAddr>,
    media: Vec<Media<'a>>,
}

/// One `m=` line and what stands below it.
#[derive(Debug)]
struct Media<'a> {
    is_audio: bool,
    port: u16,
    protocol: &'a str,
    payload_type: &'a str,
    connection: Option<IpAddr>,
    attributes: Vec<&'a str>,
}

impl<'a> Description<'a> {
    /// Reads a description. Lines end in LF or CRLF.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Unusable> {
        let mut lines = lines(text);
        if lines.next() != Some(('v', "0")) {
            return Err(Unusable::Malformed);
        }
        let mut description = Self { origin: None, name: "", connection: None, media: Vec::new() };
        for (key, value) in lines {
            let media = description.media.last_mut();
            match (key, media) {
                ('m', _) => description.media.push(Media::parse(value).ok_or(Unusable::Malformed)?),
                ('c', Some(media)) => media.connection = media.connection.or_else(|| address(value)),
                ('a', Some(media)) => media.attributes.push(value),
                ('c', None) => description.connection = address(value),
                ('o', None) => description.origin = Some(value),
                ('s', None) => description.name = value,
                _ => {}
            }
        }
        Ok(description)
    }

    /// What it says of a stream of sound: of the first that can be read, else of the first.
    pub(crate) fn announcement(&self, sender: IpAddr) -> Result<Announcement, Unusable> {
        let origin = self.origin.ok_or(Unusable::Malformed)?;
        if origin.split_ascii_whitespace().next() == Some(USERNAME) {
            return Err(Unusable::Microphone);
        }
        let audio = || self.media.iter().filter(|media| media.is_audio && media.port != 0);
        let readable = audio().find(|media| media.format().is_ok());
        let media = readable.or_else(|| audio().next()).ok_or(Unusable::NoAudio)?;
        let connection = media.connection.or(self.connection);
        // PulseAudio gives all streams that it loads within one second the same `o=` line: their ports tell them apart.
        let session = digest(digest(FNV_BASIS, without_version(origin)), [media.port.to_string().as_str()]);
        Ok(Announcement {
            key: AnnouncementKey { sender, session },
            name: name::for_people(self.name, origin, sender),
            port: media.port,
            group: connection.map(|ip| ip.to_canonical()).filter(IpAddr::is_multicast),
            payload_type: media.payload_type().ok_or(Unusable::Malformed)?,
            ssrc: media.ssrc(),
            format: media.format(),
        })
    }
}

impl<'a> Media<'a> {
    /// Reads an `m=` line's value (RFC 8866, section 5.14): `audio 5004 RTP/AVP 127`.
    fn parse(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let kind = fields.next()?;
        let port = fields.next()?.split('/').next()?.parse().ok()?;
        let (protocol, payload_type) = (fields.next()?, fields.next().unwrap_or_default());
        Some(Self {
            is_audio: kind.eq_ignore_ascii_case("audio"),
            port,
            protocol,
            payload_type,
            connection: None,
            attributes: Vec::new(),
        })
    }

    fn payload_type(&self) -> Option<u8> {
        self.payload_type.parse().ok().filter(|payload_type| *payload_type < 128)
    }

    /// What its packets hold, or in words why that cannot be read.
    fn format(&self) -> Result<AudioFormat, String> {
        if !["RTP/AVP", "RTP/AVPF"].iter().any(|known| self.protocol.eq_ignore_ascii_case(known)) {
            let protocol = name::clean(self.protocol);
            return Err(format!("sent as {protocol}, which is not read: send plain RTP (RTP/AVP)"));
        }
        let mapped = self.attributes("rtpmap").find_map(|value| {
            let (payload_type, format) = value.split_once(char::is_whitespace)?;
            (payload_type == self.payload_type).then(|| name::clean(format))
        });
        // Without `a=rtpmap` the payload type speaks for itself (RFC 3551, section 6).
        let format = match (mapped, self.payload_type) {
            (Some(mapped), _) => mapped,
            (None, "0") => "PCMU/8000/1".to_owned(),
            (None, "8") => "PCMA/8000/1".to_owned(),
            (None, "10") => "L16/44100/2".to_owned(),
            (None, "11") => "L16/44100/1".to_owned(),
            (None, _) => {
                let payload_type = name::clean(self.payload_type);
                return Err(format!(
                    "payload type {payload_type} is announced without a=rtpmap: announce what it holds, such as L16/48000/2"
                ));
            }
        };
        format.parse().map_err(|error| format!("sent as {format}: {error}"))
    }

    fn ssrc(&self) -> Option<u32> {
        self.attributes("ssrc").find_map(|value| value.split_ascii_whitespace().next()?.parse().ok())
    }

    /// The values of all attributes of that name.
    fn attributes(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter_map(move |attribute| {
            let (key, value) = attribute.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A digest of a description's `o=` line without its version; none where there is no such line.
pub(crate) fn origin_digest(text: &str) -> Option<u64> {
    let origin = lines(text).find_map(|(key, value)| (key == 'o').then_some(value))?;
    Some(digest(FNV_BASIS, without_version(origin)))
}

fn lines(text: &str) -> impl Iterator<Item = (char, &str)> {
    text.split(['\n', '\r']).filter_map(|line| {
        let (key, value) = line.trim_matches(['\0', ' ', '\t']).split_once('=')?;
        let mut key = key.chars();
        Some((key.next().filter(|_| key.next().is_none())?, value.trim()))
    })
}

/// A `c=` line's address (RFC 8866, section 5.7): `IN IP4 224.0.0.56/255`.
fn address(value: &str) -> Option<IpAddr> {
    value.split_ascii_whitespace().nth(2)?.split('/').next()?.parse().ok()
}

/// An `o=` line's fields without the version, the third (RFC 8866, section 5.2). Counted from the end, for there are users
/// with a space in their name.
fn without_version(origin: &str) -> impl Iterator<Item = &str> {
    origin.split_ascii_whitespace().rev().enumerate().filter(|(n, _)| *n != 3).map(|(_, field)| field)
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, 64 bits. It needs to be the same in every run, not to be secret: a sender can only clash with itself.
fn digest<'a>(basis: u64, fields: impl IntoIterator<Item = &'a str>) -> u64 {
    let bytes = fields.into_iter().flat_map(|field| field.bytes().chain([b' ']));
    bytes.fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(media: &str) -> Result<String, String> {
        let text = format!("v=0\no=- 1 1 IN IP4 10.0.0.1\ns=x\n{media}\n");
        let announced = Description::parse(&text).unwrap().announcement([10, 0, 0, 1].into()).unwrap();
        announced.format.map(|format| format.to_string())
    }

    #[test]
    fn formats_are_mapped_or_static() {
        for (media, expected) in [
            ("m=audio 5004 RTP/AVP 0", "PCMU/8000/1"),
            ("m=audio 5004 RTP/AVP 8", "PCMA/8000/1"),
            ("m=audio 5004 RTP/AVP 10", "L16/44100/2"),
            ("m=audio 5004 RTP/AVP 11", "L16/44100/1"),
            ("m=audio 5004/2 RTP/AVP 97 0\na=rtpmap:0 PCMU/8000\na=rtpmap:97 L24/96000/6", "L24/96000/6"),
            ("m=audio 5004 RTP/AVPF 96\na=RTPMAP:96  L16/44100", "L16/44100/1"),
            ("m=audio 5004 RTP/AVP 96\na=rtpmap:96 OPUS/48000/2", "opus/48000/2"),
        ] {
            assert_eq!(format(media).as_deref(), Ok(expected), "{media}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_in_words() {
        for (media, words) in [
            ("m=audio 5004 RTP/AVP 96", "payload type 96 is announced without a=rtpmap"),
            (
                "m=audio 5004 RTP/AVP 96\na=rtpmap:96 AAC/48000/2",
                "sent as AAC/48000/2: AAC is not read: use L16",
            ),
            ("m=audio 5004 RTP/AVP 96\na=rtpmap:96 L16/48000/12", "12 channels are not read: use 1 to 8"),
            ("m=audio 5004 RTP/AVP 96\na=rtpmap:96 L16", "L16 is not a format: write"),
            ("m=audio 5004 RTP/SAVP 96\na=rtpmap:96 L16/48000/2", "sent as RTP/SAVP, which is not read"),
        ] {
            let said = format(media).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn the_version_is_no_part_of_the_name() {
        let digest = |origin: &str| origin_digest(&format!("v=0\r\no={origin}\r\ns=x\r\n"));
        assert_eq!(digest("root 1 1 IN IP4 10.0.0.1"), digest("root 1 2 IN IP4 10.0.0.1"));
        assert_eq!(digest("two words 1 1 IN IP4 10.0.0.1"), digest("two words 1 2 IN IP4 10.0.0.1"));
        assert_ne!(digest("root 1 1 IN IP4 10.0.0.1"), digest("root 2 1 IN IP4 10.0.0.1"));
        assert_ne!(digest("root 1 1 IN IP4 10.0.0.1"), digest("root 1 1 IN IP4 10.0.0.2"));
        assert_eq!(origin_digest("v=0\ns=x\n"), None);
    }
}
