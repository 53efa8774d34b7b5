use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

/// A tenth of a second: 440 and 880 Hz fit whole cycles into it.
const WINDOWS_PER_SECOND: usize = 10;
/// A window of 1 / 50 s turns by less than half a circle within 20 Hz.
const PHASES_PER_SECOND: usize = 50;

/// The tones that every sender plays: one an ear, −6 dBFS each.
#[derive(Debug, Clone, Copy)]
pub struct Tone;

/// Stereo sound as it was heard.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Frames a second, in hertz.
    pub rate: u32,
    /// Left and right, full scale at 1.
    pub frames: Vec<[f32; 2]>,
}

impl Tone {
    /// The left ear's frequency.
    pub const LEFT_HZ: f64 = 440.0;
    /// The right ear's frequency.
    pub const RIGHT_HZ: f64 = 880.0;
    /// −6 dBFS.
    pub const AMPLITUDE: f64 = 0.5;

    /// The frame at `index` of the test tone at `rate` hertz.
    pub fn frame(index: u64, rate: u32) -> [f32; 2] {
        // Both tones repeat every second: the remainder keeps the phase exact over hours.
        let seconds = (index % u64::from(rate)) as f64 / f64::from(rate);
        let wave = |hz: f64| (Self::AMPLITUDE * (TAU * hz * seconds).sin()) as f32;
        [wave(Self::LEFT_HZ), wave(Self::RIGHT_HZ)]
    }

    /// Writes `seconds` of the tone as a WAV file of 48 kHz, 16 bits, stereo.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_wav(path: &Path, seconds: u32) -> Result<()> {
        let frames = (0..u64::from(48_000 * seconds)).map(|index| Self::frame(index, 48_000)).collect();
        Recording { rate: 48_000, frames }.write_wav(path)
    }
}

impl Recording {
    /// Sinusoids of half of full scale, at 48 kHz: the left ear's frequency and the right one's, in hertz.
    pub fn tones(left_hz: f64, right_hz: f64, seconds: u32) -> Self {
        let wave = |hz: f64, index: u32| {
            let turns = (hz * f64::from(index) / 48_000.0).fract();
            (Tone::AMPLITUDE * (TAU * turns).sin()) as f32
        };
        let frames = (0..seconds * 48_000).map(|index| [wave(left_hz, index), wave(right_hz, index)]);
        Self { rate: 48_000, frames: frames.collect() }
    }

    /// Of interleaved 16-bit samples, two channels, little endian.
    pub fn of_16_bits(rate: u32, bytes: &[u8]) -> Self {
        let sample = |bytes: &[u8]| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0;
        let frames = bytes.chunks_exact(4).map(|frame| [sample(frame), sample(&frame[2..])]).collect();
        Self { rate, frames }
    }

    /// Writes it as a WAV file of 16 bits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_wav(&self, path: &Path) -> Result<()> {
        let data_bytes = 4 * self.frames.len() as u32;
        let mut wav = Vec::with_capacity(44 + data_bytes as usize);
        wav.extend_from_slice(b"RIFF");
        wav.extend_from_slice(&(36 + data_bytes).to_le_bytes());
        wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
        wav.extend_from_slice(&self.rate.to_le_bytes());
        wav.extend_from_slice(&(self.rate * 4).to_le_bytes());
        wav.extend_from_slice(b"\x04\0\x10\0data");
        wav.extend_from_slice(&data_bytes.to_le_bytes());
        for sample in self.frames.as_flattened() {
            wav.extend_from_slice(&((sample * 32_767.0) as i16).to_le_bytes());
        }
        Ok(fs::write(path, wav)?)
    }

    /// How long it is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames.len() as f64 / f64::from(self.rate.max(1))
    }

    /// The part from `start` for `length`, both in seconds; what lies outside is left out.
    pub fn part(&self, start: f64, length: f64) -> Self {
        let at = |seconds: f64| ((seconds * f64::from(self.rate)) as usize).min(self.frames.len());
        Self { rate: self.rate, frames: self.frames[at(start)..at(start + length)].to_vec() }
    }

    /// The amplitude of `hz` in a channel (0 left, 1 right): the median over tenths of a second.
    pub fn amplitude(&self, channel: usize, hz: f64) -> f64 {
        let length = self.rate as usize / WINDOWS_PER_SECOND;
        let mut amplitudes: Vec<f64> = self
            .frames
            .chunks_exact(length.max(1))
            .map(|window| {
                goertzel(window.iter().map(|frame| f64::from(frame[channel])), hz / f64::from(self.rate))
            })
            .collect();
        median(&mut amplitudes)
    }

    /// The frequency in a channel, which must be within 20 Hz of `near_hz`: by how the phase turns over the whole length.
    pub fn frequency(&self, channel: usize, near_hz: f64) -> f64 {
        let length = (self.rate as usize / PHASES_PER_SECOND).max(1);
        let turn = TAU * near_hz / f64::from(self.rate.max(1));
        let phase = |(index, window): (usize, &[[f32; 2]])| {
            let (mut along, mut across) = (0.0, 0.0);
            for (offset, frame) in window.iter().enumerate() {
                let (sine, cosine) = (turn * (index * length + offset) as f64).sin_cos();
                along += f64::from(frame[channel]) * cosine;
                across -= f64::from(frame[channel]) * sine;
            }
            across.atan2(along)
        };
        let phases: Vec<f64> = self.frames.chunks_exact(length).enumerate().map(phase).collect();
        let turns: f64 =
            phases.windows(2).map(|pair| (pair[1] - pair[0] + TAU * 1.5) % TAU - TAU / 2.0).sum();
        near_hz + turns / TAU * PHASES_PER_SECOND as f64 / (phases.len().max(2) - 1) as f64
    }

    /// What of the other ear's tone is heard in each ear, against that tone in its own: the worse of both, in dB.
    pub fn crosstalk_db(&self) -> f64 {
        let into_left = self.amplitude(0, Tone::RIGHT_HZ) / self.amplitude(1, Tone::RIGHT_HZ);
        let into_right = self.amplitude(1, Tone::LEFT_HZ) / self.amplitude(0, Tone::LEFT_HZ);
        20.0 * into_left.max(into_right).log10()
    }

    /// The largest step between two samples against that of a clean tone of the same amplitude; 1 is clean, a click is far above.
    pub fn largest_step(&self) -> f64 {
        let ratio = |channel: usize, hz: f64| {
            let clean = 2.0 * self.amplitude(channel, hz) * (TAU / 2.0 * hz / f64::from(self.rate)).sin();
            let steps =
                self.frames.windows(2).map(|pair| f64::from((pair[1][channel] - pair[0][channel]).abs()));
            steps.fold(0.0, f64::max) / clean
        };
        ratio(0, Tone::LEFT_HZ).max(ratio(1, Tone::RIGHT_HZ))
    }

    /// The effective value of a channel.
    pub fn rms(&self, channel: usize) -> f64 {
        let squares: f64 = self.frames.iter().map(|frame| f64::from(frame[channel]).powi(2)).sum();
        (squares / self.frames.len().max(1) as f64).sqrt()
    }

    /// The longest time in seconds without sound in either ear (below −40 dBFS, looked at in hundredths of a second).
    pub fn longest_silence(&self) -> f64 {
        let window = (self.rate as usize / 100).max(1);
        let mut longest = 0;
        let mut current = 0;
        for chunk in self.frames.chunks(window) {
            let part = Self { rate: self.rate, frames: chunk.to_vec() };
            current = if part.rms(0).max(part.rms(1)) < 0.01 { current + chunk.len() } else { 0 };
            longest = longest.max(current);
        }
        longest as f64 / f64::from(self.rate.max(1))
    }

    /// Checks what a listener of the test tone expects: each tone at about −6 dBFS, only in its own ear.
    ///
    /// # Errors
    /// When a tone is missing or weak, or heard in the other ear above −40 dB.
    pub fn check_ears(&self) -> Result<()> {
        ensure!(self.seconds() >= 0.5, "only {:.2} s were heard", self.seconds());
        let (left, right) = (self.amplitude(0, Tone::LEFT_HZ), self.amplitude(1, Tone::RIGHT_HZ));
        let expected = Tone::AMPLITUDE * 0.7..Tone::AMPLITUDE * 1.3;
        ensure!(
            expected.contains(&left) && expected.contains(&right),
            "440 Hz left {left:.3}, 880 Hz right {right:.3}"
        );
        let crosstalk = self.crosstalk_db();
        ensure!(crosstalk < -40.0, "cross-talk of {crosstalk:.1} dB");
        Ok(())
    }
}

/// The amplitude of one frequency (in cycles a sample) in a Hann window over all samples.
fn goertzel(samples: impl ExactSizeIterator<Item = f64>, frequency: f64) -> f64 {
    let length = samples.len() as f64;
    let factor = 2.0 * (TAU * frequency).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for (index, sample) in samples.enumerate() {
        let hann = 0.5 - 0.5 * (TAU * index as f64 / length).cos();
        (last, before) = (sample * hann + factor * last - before, last);
    }
    let power = last * last + before * before - factor * last * before;
    // A Hann window halves the sum.
    power.max(0.0).sqrt() * 4.0 / length
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Recording {
        Recording { rate: 48_000, frames: (0..96_000).map(|index| Tone::frame(index, 48_000)).collect() }
    }

    #[test]
    fn a_clean_tone_is_measured_as_it_is() {
        let tone = clean();
        tone.check_ears().unwrap();
        assert!((tone.amplitude(0, Tone::LEFT_HZ) - 0.5).abs() < 0.001);
        assert!((tone.largest_step() - 1.0).abs() < 0.01, "{}", tone.largest_step());
        assert!(tone.crosstalk_db() < -80.0);
        assert_eq!(tone.longest_silence(), 0.0);
    }

    #[test]
    fn a_frequency_is_measured_to_a_hundredth_of_a_hertz() {
        for hz in [985.3, 999.5, 1000.0, 1001.25] {
            let wave = |index: u32| (0.5 * (TAU * hz * f64::from(index) / 48_000.0).sin()) as f32;
            let frames = (0..96_000).map(|index| [0.0, wave(index)]).collect();
            let measured = Recording { rate: 48_000, frames }.frequency(1, 1000.0);
            assert!((measured - hz).abs() < 0.01, "{hz} Hz is measured as {measured}");
        }
    }

    #[test]
    fn ears_swapped_or_mixed_are_noticed() {
        let mut swapped = clean();
        swapped.frames.iter_mut().for_each(|frame| frame.swap(0, 1));
        assert!(swapped.check_ears().is_err());
        let mut mixed = clean();
        mixed.frames.iter_mut().for_each(|frame| frame[0] += 0.02 * frame[1]);
        assert!((mixed.crosstalk_db() + 34.0).abs() < 0.2, "{}", mixed.crosstalk_db());
        assert!(mixed.check_ears().is_err());
    }

    #[test]
    fn a_missing_packet_is_a_click_and_a_gap_a_silence() {
        let mut cut = clean();
        // 13 frames are neither a whole cycle of one tone nor of the other.
        cut.frames.drain(20_013..20_333);
        assert!(cut.largest_step() > 1.5, "{}", cut.largest_step());
        let mut gap = clean();
        gap.frames[24_000..33_600].fill([0.0, 0.0]);
        assert!((gap.longest_silence() - 0.2).abs() < 0.011);
    }
}
