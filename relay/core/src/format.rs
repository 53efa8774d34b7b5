use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Sample rates that are read, in hertz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// As many channels as 7.1 has.
const MAX_CHANNELS: u8 = 8;

/// How samples are written in RTP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Signed 16-bit samples in network byte order (RFC 3551, section 4.5.11).
    L16,
    /// Signed 24-bit samples in network byte order (RFC 3190, section 4).
    L24,
    /// G.711, µ-law (RFC 3551, section 4.5.14).
    Pcmu,
    /// G.711, A-law (RFC 3551, section 4.5.14).
    Pcma,
    /// Opus (RFC 7587).
    Opus,
}

impl Encoding {
    /// The media subtype's name, as SDP and users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L16 => "L16",
            Self::L24 => "L24",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Opus => "opus",
        }
    }
}

/// What a sender's packets hold. Written as in SDP's `a=rtpmap` (RFC 8866, section 6.6): `L16/48000/2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// How samples are written.
    pub encoding: Encoding,
    /// Sample rate in hertz, 8000 to 192 000. Always 48 000 for Opus (RFC 7587, section 4.1).
    pub rate_hz: u32,
    /// Channels, interleaved, 1 to 8. At most 2 for Opus.
    pub channels: u8,
}

/// Why a format cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Not an encoding that is read.
    #[error("{0} is not read: use L16, L24, PCMU, PCMA or opus")]
    Encoding(String),
    /// Not `encoding/rate/channels`.
    #[error("{0} is not a format: write ENCODING/RATE/CHANNELS, such as L16/48000/2")]
    Shape(String),
    /// A rate out of range.
    #[error("a rate of {0} Hz is not read: use 8000 to 192000")]
    Rate(u32),
    /// Too many channels, or none.
    #[error("{0} channels are not read: use 1 to 8")]
    Channels(u32),
    /// Opus at a rate or with channels that RFC 7587 does not know.
    #[error("Opus is always opus/48000/2")]
    Opus,
}

impl AudioFormat {
    /// A format whose figures are in range.
    ///
    /// # Errors
    /// When they are not.
    pub fn new(encoding: Encoding, rate_hz: u32, channels: u32) -> Result<Self, FormatError> {
        let format = |channels| Self { encoding, rate_hz, channels };
        if !RATES_HZ.contains(&rate_hz) {
            return Err(FormatError::Rate(rate_hz));
        }
        match u8::try_from(channels) {
            Ok(1..=2) if encoding == Encoding::Opus && rate_hz == 48_000 => Ok(format(2)),
            _ if encoding == Encoding::Opus => Err(FormatError::Opus),
            Ok(channels @ 1..=MAX_CHANNELS) => Ok(format(channels)),
            _ => Err(FormatError::Channels(channels)),
        }
    }
}

impl FromStr for AudioFormat {
    type Err = FormatError;

    /// Reads `encoding[/rate[/channels]]`. What is left out is the encoding's own: 8000/1 for PCMU and PCMA, 48000/2 for
    /// Opus; else one channel, as in SDP, and a rate must be given.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut parts = text.trim().split('/');
        let name = parts.next().unwrap_or_default();
        let encoding = match name.to_ascii_uppercase().as_str() {
            "L16" => Encoding::L16,
            "L24" => Encoding::L24,
            "PCMU" => Encoding::Pcmu,
            "PCMA" => Encoding::Pcma,
            "OPUS" => Encoding::Opus,
            "" => return Err(FormatError::Shape(text.to_owned())),
            _ => return Err(FormatError::Encoding(name.to_owned())),
        };
        let shape = || FormatError::Shape(text.to_owned());
        let number =
            |part: Option<&str>| part.map(|part| part.trim().parse().map_err(|_| shape())).transpose();
        let (rate, channels) = (number(parts.next())?, number(parts.next())?);
        if parts.next().is_some() {
            return Err(shape());
        }
        let (own_rate, own_channels) = match encoding {
            Encoding::Pcmu | Encoding::Pcma => (Some(8_000), 1),
            Encoding::Opus => (Some(48_000), 2),
            Encoding::L16 | Encoding::L24 => (None, 1),
        };
        Self::new(encoding, rate.or(own_rate).ok_or_else(shape)?, channels.unwrap_or(own_channels))
    }
}

impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.encoding.name(), self.rate_hz, self.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_as_sdp_writes_them() {
        let read = |text: &str| text.parse::<AudioFormat>().map(|format| format.to_string());
        assert_eq!(read("L16/48000/2").unwrap(), "L16/48000/2");
        assert_eq!(read("l24/96000/6").unwrap(), "L24/96000/6");
        assert_eq!(read("L16/44100").unwrap(), "L16/44100/1");
        assert_eq!(read("pcmu").unwrap(), "PCMU/8000/1");
        assert_eq!(read("opus/48000/2").unwrap(), "opus/48000/2");
        assert_eq!(read("AAC/48000/2"), Err(FormatError::Encoding("AAC".into())));
        assert_eq!(read("L16/4000/2"), Err(FormatError::Rate(4000)));
        assert_eq!(read("L16/48000/9"), Err(FormatError::Channels(9)));
        assert_eq!(read("opus/44100/2"), Err(FormatError::Opus));
        for junk in ["", "L16", "L16/x/2", "L16/48000/2/1", "L16//", "L16/-1/2", "L16/99999999999/2"] {
            assert!(matches!(read(junk), Err(FormatError::Shape(_))), "{junk}");
        }
    }
}
