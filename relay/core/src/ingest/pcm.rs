/// One instant of stereo sound: left and right, full scale is 1.0.
pub(crate) type Sample = [f32; 2];

/// Silence.
pub(crate) const SILENCE: Sample = [0.0; 2];

/// Reads L16 (RFC 3551, section 4.5.11) into stereo. Bytes that do not fill a block are left out.
pub(crate) fn read_l16(payload: &[u8], channels: u8, sound: &mut Vec<Sample>) {
    sound.clear();
    match channels {
        1 => sound.extend(payload.as_chunks::<2>().0.iter().map(|&b| [level(b); 2])),
        _ => sound
            .extend(payload.as_chunks::<4>().0.iter().map(|&[a, b, c, d]| [level([a, b]), level([c, d])])),
    }
}

/// Part way between two samples: `a` at 0, `b` at 1.
pub(crate) fn blend(a: Sample, b: Sample, share: f32) -> Sample {
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]
}

/// A smooth way from 0 to 1 while `position` goes from 0 to `length` (a raised cosine).
pub(crate) fn ramp(position: usize, length: usize) -> f32 {
    if position >= length {
        return 1.0;
    }
    let phase = (position as f32 + 0.5) / length as f32;
    0.5 - 0.5 * (std::f32::consts::PI * phase).cos()
}

fn level(bytes: [u8; 2]) -> f32 {
    f32::from(i16::from_be_bytes(bytes)) / 32_768.0
}
