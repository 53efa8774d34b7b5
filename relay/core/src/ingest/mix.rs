/// How much of a channel goes to the left and to the right ear.
type Gain = [f32; 2];

const LEFT: Gain = [1.0, 0.0];
const RIGHT: Gain = [0.0, 1.0];
const NONE: Gain = [0.0, 0.0];

/// -3 dB.
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;
const CENTRE: Gain = [HALF_POWER, HALF_POWER];
const LEFT_AROUND: Gain = [HALF_POWER, 0.0];
const RIGHT_AROUND: Gain = [0.0, HALF_POWER];
const BEHIND: Gain = [0.5, 0.5];

/// The way from so many channels to two ears, by the coefficients of ITU-R BS.775-3, annex 4; a low-frequency channel
/// is left out, as there.
///
/// Channels are in the order of WAVE files and SMPTE ST 2036-2, which ffmpeg, GStreamer and PipeWire send: front left,
/// front right, centre, low frequencies, back left, back right, side left, side right.
pub(crate) fn gains(channels: u8) -> &'static [Gain] {
    match channels {
        0 | 1 => &[[1.0, 1.0]],
        2 => &[LEFT, RIGHT],
        3 => &[LEFT, RIGHT, CENTRE],
        4 => &[LEFT, RIGHT, LEFT_AROUND, RIGHT_AROUND],
        5 => &[LEFT, RIGHT, CENTRE, LEFT_AROUND, RIGHT_AROUND],
        6 => &[LEFT, RIGHT, CENTRE, NONE, LEFT_AROUND, RIGHT_AROUND],
        7 => &[LEFT, RIGHT, CENTRE, NONE, BEHIND, LEFT_AROUND, RIGHT_AROUND],
        _ => &[LEFT, RIGHT, CENTRE, NONE, LEFT_AROUND, RIGHT_AROUND, LEFT_AROUND, RIGHT_AROUND],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_as_wide_as_it_says_and_even_handed() {
        for channels in 1..=8 {
            let gains = gains(channels);
            assert_eq!(gains.len(), usize::from(channels));
            let sum = |ear: usize| gains.iter().map(|gain| gain[ear]).sum::<f32>();
            assert_eq!(sum(0), sum(1), "{channels} channels");
        }
    }
}
