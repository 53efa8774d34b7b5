use super::pcm;
use crate::format::{AudioFormat, Encoding};
use crate::frame::RATE_HZ;
use crate::sample::{SILENCE, SILENT_BELOW, Sample};

/// The longest Opus packet, in samples a channel (RFC 6716, section 3.2.5).
const LONGEST_PACKET: usize = 5_760;

/// Hears how loud a source is, while somebody watches.
#[derive(Debug, Default)]
pub(crate) struct LevelMeter {
    peaks: Sample,
    sound: Vec<Sample>,
    decoder: Option<opus::Decoder>,
}

impl LevelMeter {
    /// Takes a packet's payload. Returns whether anything in it can be heard.
    pub(crate) fn hear(&mut self, format: AudioFormat, payload: &[u8]) -> bool {
        if format.encoding == Encoding::Opus {
            self.decode(payload);
        } else {
            pcm::read(format, payload, &mut self.sound);
        }
        let peaks = self.sound.iter().fold([0.0_f32; 2], |peaks, sample| {
            [peaks[0].max(sample[0].abs()), peaks[1].max(sample[1].abs())]
        });
        self.peaks = [self.peaks[0].max(peaks[0]), self.peaks[1].max(peaks[1])];
        peaks.iter().any(|peak| *peak >= SILENT_BELOW)
    }

    /// The largest magnitudes, left and right, since they were asked for last.
    pub(crate) fn take(&mut self) -> [f32; 2] {
        std::mem::take(&mut self.peaks)
    }

    fn decode(&mut self, packet: &[u8]) {
        self.sound.resize(LONGEST_PACKET, SILENCE);
        if self.decoder.is_none() {
            self.decoder = opus::Decoder::new(RATE_HZ, opus::Channels::Stereo).ok();
        }
        let decoded = self
            .decoder
            .as_mut()
            .and_then(|decoder| decoder.decode_float(packet, self.sound.as_flattened_mut(), false).ok());
        self.sound.truncate(decoded.unwrap_or(0));
    }
}
