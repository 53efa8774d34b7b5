/// One instant of stereo sound at 48 kHz or a source's own rate: left and right, full scale is 1.0.
pub type Sample = [f32; 2];

/// Silence.
pub(crate) const SILENCE: Sample = [0.0; 2];

/// Levels below this are called silence: -80 dBFS, under the noise of any recording and over the dither of a converter.
pub(crate) const SILENT_BELOW: f32 = 1.0e-4;

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
