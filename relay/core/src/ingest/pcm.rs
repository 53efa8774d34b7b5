use super::g711;
use super::mix::gains;
use crate::format::{AudioFormat, Encoding};
use crate::sample::{SILENCE, Sample};

/// The largest magnitudes below [`SILENT_BELOW`](crate::sample::SILENT_BELOW), of 16 and of 24 bits.
const SILENT_L16: u32 = 3;
const SILENT_L24: u32 = 838;

/// How many bytes of a payload one instant takes; none for Opus, whose packets are not cut.
pub(crate) fn block_bytes(format: AudioFormat) -> Option<usize> {
    let sample = match format.encoding {
        Encoding::L16 => 2,
        Encoding::L24 => 3,
        Encoding::Pcmu | Encoding::Pcma => 1,
        Encoding::Opus => return None,
    };
    Some(sample * usize::from(format.channels))
}

/// Reads a payload into stereo, mixed down where it has more channels. Bytes that do not fill a block are left out.
pub(crate) fn read(format: AudioFormat, payload: &[u8], sound: &mut Vec<Sample>) {
    sound.clear();
    match format.encoding {
        Encoding::L16 => read_with(format.channels, payload, l16, sound),
        Encoding::L24 => read_with(format.channels, payload, l24, sound),
        Encoding::Pcmu => read_with(format.channels, payload, |[byte]| g711::mu_law(byte), sound),
        Encoding::Pcma => read_with(format.channels, payload, |[byte]| g711::a_law(byte), sound),
        Encoding::Opus => {}
    }
}

/// Whether nothing in a payload can be heard. Of Opus only packets too small to hold sound are called silent.
pub(crate) fn is_silent(format: AudioFormat, payload: &[u8]) -> bool {
    match format.encoding {
        Encoding::L16 => {
            largest(payload, |bytes| u32::from(i16::from_be_bytes(bytes).unsigned_abs())) <= SILENT_L16
        }
        Encoding::L24 => {
            let magnitude =
                |[high, middle, low]: [u8; 3]| i32::from_be_bytes([high, middle, low, 0]).unsigned_abs();
            largest(payload, magnitude) >> 8 <= SILENT_L24
        }
        // The smallest steps of G.711 are its silence.
        Encoding::Pcmu => payload.iter().all(|&byte| g711::mu_law(byte).abs() <= g711::mu_law(0xfe).abs()),
        Encoding::Pcma => payload.iter().all(|&byte| g711::a_law(byte).abs() <= g711::a_law(0xd5).abs()),
        Encoding::Opus => payload.len() <= OPUS_SILENCE_BYTES,
    }
}

/// What libopus makes of digital silence, with and without discontinuous transmission.
const OPUS_SILENCE_BYTES: usize = 3;

/// The largest magnitude in a payload. Looks at all of it: without a way out it is many times quicker for silence, which
/// is what there is most of.
fn largest<const N: usize>(payload: &[u8], magnitude: impl Fn([u8; N]) -> u32) -> u32 {
    payload.as_chunks::<N>().0.iter().fold(0, |most, &bytes| most.max(magnitude(bytes)))
}

fn read_with<const N: usize>(
    channels: u8,
    payload: &[u8],
    level: impl Fn([u8; N]) -> f32,
    sound: &mut Vec<Sample>,
) {
    let gains = gains(channels);
    let samples = payload.as_chunks::<N>().0;
    sound.extend(samples.chunks_exact(gains.len()).map(|block| {
        block.iter().zip(gains).fold(SILENCE, |mixed, (&bytes, gain)| {
            let level = level(bytes);
            [mixed[0] + level * gain[0], mixed[1] + level * gain[1]]
        })
    }));
}

fn l16(bytes: [u8; 2]) -> f32 {
    f32::from(i16::from_be_bytes(bytes)) / 32_768.0
}

fn l24([high, middle, low]: [u8; 3]) -> f32 {
    // In the upper bytes of 32 bits the sign comes right by itself; 24 bits fit an f32.
    (i32::from_be_bytes([high, middle, low, 0]) >> 8) as f32 / 8_388_608.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(format: &str, payload: &[u8]) -> Vec<Sample> {
        let mut sound = Vec::new();
        read(format.parse().unwrap(), payload, &mut sound);
        sound
    }

    #[test]
    fn samples_are_read_in_network_byte_order() {
        assert_eq!(read_all("L16/48000/2", &[0x40, 0, 0xc0, 0]), [[0.5, -0.5]]);
        assert_eq!(read_all("L16/48000/1", &[0x40, 0, 0xc0, 0, 9]), [[0.5, 0.5], [-0.5, -0.5]]);
        assert_eq!(read_all("L24/48000/2", &[0x40, 0, 0, 0xc0, 0, 0, 1, 2]), [[0.5, -0.5]]);
        assert_eq!(read_all("L24/48000/1", &[0xff, 0xff, 0xff]), [[-1.0 / 8_388_608.0; 2]]);
    }

    #[test]
    fn silence_is_known_in_every_encoding() {
        for (format, silence, sound) in [
            ("L16/48000/2", &[0, 3, 0xff, 0xfd][..], &[0, 3, 0, 4][..]),
            ("L24/48000/1", &[0, 3, 0, 0xff, 0xff, 0], &[0, 3, 0xff]),
            ("PCMU", &[0xff, 0x7f, 0xfe], &[0xff, 0xfd]),
            ("PCMA", &[0xd5, 0x55], &[0xd5, 0xd4]),
            ("opus", &[0xfc, 0xff, 0xfe], &[0xfc, 1, 2, 3]),
        ] {
            let format = format.parse().unwrap();
            assert!(is_silent(format, silence), "{format}");
            assert!(!is_silent(format, sound), "{format}");
        }
    }
}
