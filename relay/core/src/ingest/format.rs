use super::pcm::block_bytes;
use super::reorder::Held;
use crate::format::{AudioFormat, Encoding};
use crate::frame::RATE_HZ;

/// A format, and where it is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFormat {
    /// What the packets hold.
    pub audio: AudioFormat,
    /// Where this is known from.
    pub found: Found,
}

impl SourceFormat {
    /// What the packets show; the rate of PCM is yet to be measured.
    pub(crate) fn recognised(audio: AudioFormat) -> Self {
        let found = if audio.encoding == Encoding::Opus { Found::Measured } else { Found::Assumed };
        Self { audio, found }
    }

    /// Whether nobody said it, and its rate is for the packets to show.
    pub(crate) fn is_open(self) -> bool {
        match self.found {
            Found::Assumed => true,
            Found::Measured => self.audio.encoding != Encoding::Opus,
            Found::Announced | Found::Configured | Found::PayloadType => false,
        }
    }
}

/// How a source's format was found, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The sender announced it.
    Announced,
    /// The configuration says it.
    Configured,
    /// The payload type stands for it (RFC 3551, section 6).
    PayloadType,
    /// The packets show it.
    Measured,
    /// The packets have not contradicted it yet.
    Assumed,
}

/// What a payload type alone says of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadKind {
    /// Types 0, 8, 10 and 11: fixed by RFC 3551, section 6.
    Fixed(AudioFormat),
    /// Types 96 to 127: to be told or found out.
    Dynamic,
}

impl PayloadKind {
    /// None where the type is no sound that is read.
    pub(crate) fn of_type(payload_type: u8) -> Option<Self> {
        let fixed =
            |encoding, rate_hz, channels| Some(Self::Fixed(AudioFormat { encoding, rate_hz, channels }));
        match payload_type {
            0 => fixed(Encoding::Pcmu, 8_000, 1),
            8 => fixed(Encoding::Pcma, 8_000, 1),
            10 => fixed(Encoding::L16, 44_100, 2),
            11 => fixed(Encoding::L16, 44_100, 1),
            96..=127 => Some(Self::Dynamic),
            _ => None,
        }
    }
}

/// What two packets in sequence of a dynamic payload type hold, at a rate that is yet to be measured; none where they
/// are no sound that is read.
pub(crate) fn recognise(first: &Held, second: &Held) -> Option<AudioFormat> {
    let ticks = second.timestamp.wrapping_sub(first.timestamp);
    recognise_opus(first, second, ticks).or_else(|| recognise_pcm(first.payload.len(), ticks))
}

/// Whether packets of a format that is known otherwise follow each other.
pub(crate) fn are_consistent(format: AudioFormat, first: &Held, second: &Held) -> bool {
    let ticks = second.timestamp.wrapping_sub(first.timestamp);
    match block_bytes(format) {
        // How far the timestamp steps says nothing of the payload's size: a sender may have paused between the two.
        Some(block) => ticks > 0 && ticks < format.rate_hz && first.payload.len() >= block,
        None => ticks > 0 && opus_samples(&first.payload).is_some(),
    }
}

/// How long an Opus packet lasts (RFC 6716, section 3.1), in samples at 48 kHz; none where it is not one.
pub(crate) fn opus_samples(packet: &[u8]) -> Option<u32> {
    let samples = opus::packet::get_nb_samples(packet, RATE_HZ).ok()?;
    // At most 120 ms.
    u32::try_from(samples).ok().filter(|samples| (1..=5_760).contains(samples))
}

/// Both packets' first bytes say how long they last, and the timestamps say the same.
fn recognise_opus(first: &Held, second: &Held, ticks: u32) -> Option<AudioFormat> {
    let length = opus_samples(&first.payload)?;
    let agrees = ticks == length && opus_samples(&second.payload) == Some(length);
    // A packet as large as its PCM is PCM.
    let small = first.payload.len() < length as usize;
    (agrees && small).then_some(AudioFormat { encoding: Encoding::Opus, rate_hz: RATE_HZ, channels: 2 })
}

/// Bytes for each instant, and what they most likely are. Three bytes and more are exact; one and two channels of L16
/// may be followed by up to three bytes too many, which are trimmed.
fn recognise_pcm(bytes: usize, ticks: u32) -> Option<AudioFormat> {
    let ticks = usize::try_from(ticks).ok().filter(|&ticks| ticks > 0)?;
    let format = |encoding, channels| Some(AudioFormat { encoding, rate_hz: RATE_HZ, channels });
    let exactly = bytes.is_multiple_of(ticks).then_some(bytes / ticks);
    match exactly {
        Some(2) => return format(Encoding::L16, 1),
        Some(3) => return format(Encoding::L24, 1),
        Some(4) => return format(Encoding::L16, 2),
        Some(6) => return format(Encoding::L24, 2),
        Some(8) => return format(Encoding::L16, 4),
        Some(12) => return format(Encoding::L16, 6),
        Some(16) => return format(Encoding::L16, 8),
        Some(18) => return format(Encoding::L24, 6),
        Some(24) => return format(Encoding::L24, 8),
        _ => {}
    }
    let trimmed = |block: usize| ticks.checked_mul(block).and_then(|whole| bytes.checked_sub(whole));
    [(1, 2), (2, 4)].into_iter().find_map(|(channels, block)| {
        let excess = trimmed(block)?;
        (excess < block).then_some(format(Encoding::L16, channels)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_timestamps_say_what_it_is() {
        let shown = |bytes, ticks| recognise_pcm(bytes, ticks).map(|format| format.to_string());
        assert_eq!(shown(1268, 317).as_deref(), Some("L16/48000/2"));
        assert_eq!(shown(1271, 317).as_deref(), Some("L16/48000/2"));
        assert_eq!(shown(635, 317).as_deref(), Some("L16/48000/1"));
        assert_eq!(shown(1440, 240).as_deref(), Some("L24/48000/2"));
        assert_eq!(shown(1392, 116).as_deref(), Some("L16/48000/6"));
        assert_eq!(shown(1268, 400), None);
        assert_eq!(shown(1268, 0), None);
    }
}
