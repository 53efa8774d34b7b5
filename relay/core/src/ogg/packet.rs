//! What an Opus packet says of itself, and packets of silence (RFC 6716, section 3.1).

use crate::frame::RATE_HZ;

/// The longest silence in one packet, in samples: 20 ms.
pub(super) const SILENCE_SAMPLES: u32 = 960;

/// How much silence a packet can hold, in samples: 20, 10, 5 and 2.5 ms.
pub(super) const SILENCES: [u32; 4] = [SILENCE_SAMPLES, 480, 240, 120];

/// How much silence is a byte: 96 kb/s.
const SAMPLES_PER_BYTE: u32 = 4;

/// The configuration of 2.5 ms of the full band in CELT; those of 5, 10 and 20 ms follow.
const SHORTEST: u8 = 28;

/// How much sound a packet holds, in samples at 48 kHz; none if it is no Opus.
pub(super) fn samples(packet: &[u8]) -> Option<u32> {
    let samples = opus::packet::get_nb_samples(packet, RATE_HZ).ok()?;
    u32::try_from(samples).ok().filter(|samples| *samples > 0)
}

/// Whether a packet holds two channels.
pub(super) fn is_stereo(packet: &[u8]) -> bool {
    packet.first().is_some_and(|toc| toc & 4 != 0)
}

/// One of [`SILENCES`] as a packet, as long as one of sound: players that wait for so many bytes would starve of less. VLC
/// takes 4096 at a time.
pub(super) fn silence(samples: u32, is_stereo: bool) -> Vec<u8> {
    let config = SHORTEST + (samples / SILENCES[3]).ilog2() as u8;
    let bytes = (samples / SAMPLES_PER_BYTE) as usize;
    // One frame, and padding (RFC 6716, section 3.2.5). The first bits that a range decoder reads of the frame are its flag
    // for silence (section 4.3).
    let mut packet = vec![config << 3 | u8::from(is_stereo) << 2 | 3, 0x41, (bytes - 5) as u8, 0xff, 0xfe];
    packet.resize(bytes, 0);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libopus leaves next to nothing in silence, 1e-30 or so, for numbers that fade to zero are slow.
    const INAUDIBLE: f32 = 1.0e-20;

    #[test]
    fn a_packet_of_silence_is_as_long_as_it_is_to_be_and_silent() {
        for stereo in [false, true] {
            let mut decoder = opus::Decoder::new(RATE_HZ, opus::Channels::Stereo).unwrap();
            for length in SILENCES {
                let packet = silence(length, stereo);
                assert_eq!((samples(&packet), is_stereo(&packet)), (Some(length), stereo));
                let mut sound = vec![[1.0_f32; 2]; length as usize];
                decoder.decode_float(&packet, sound.as_flattened_mut(), false).unwrap();
                let peak = sound.as_flattened().iter().fold(0.0_f32, |peak, level| peak.max(level.abs()));
                assert!(peak < INAUDIBLE, "{length} samples, stereo {stereo}: {peak:e}");
            }
        }
    }

    #[test]
    fn what_is_no_opus_holds_nothing() {
        assert_eq!(samples(&[]), None);
        // A packet of frames that says it has none.
        assert_eq!(samples(&[0xff, 0]), None);
    }
}
