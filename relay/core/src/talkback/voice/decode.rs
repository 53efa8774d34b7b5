use std::collections::VecDeque;

use opus::{Channels, Decoder};

use crate::frame::RATE_HZ;
use crate::sample::{SILENCE, Sample, ramp};

/// The longest Opus packet, in samples a channel (RFC 6716, section 3.2.5).
const LONGEST_PACKET: usize = 5_760;

/// Opus conceals in multiples of this: 2.5 ms.
const CONCEALED_STEP: usize = 120;

/// What is made up sounds on for this long: 40 ms.
const HOLD: usize = 1_920;

/// Then it fades out over this: 60 ms.
const FADE: usize = 2_880;

/// What returns after a hole fades in over this where the hole had not faded out: 5 ms.
const RETURN: usize = 240;

/// What begins after silence fades in over this, since it may begin in the middle of a wave: 1 ms.
const ONSET: usize = RATE_HZ as usize / 1000;

/// Makes sound of packets, and of their absence.
pub(crate) struct Decoded {
    /// None where libopus would not make one: then all is silence, and the log says so.
    decoder: Option<Decoder>,
    /// Sound that waits to be played.
    sound: VecDeque<Sample>,
    scratch: Vec<Sample>,
    /// How much has been made up since the last packet.
    made_up: usize,
}

impl Decoded {
    pub(crate) fn new() -> Self {
        let decoder = Decoder::new(RATE_HZ, Channels::Stereo)
            .inspect_err(|error| tracing::error!(%error, "no Opus decoder: a talker is not heard"))
            .ok();
        Self { decoder, sound: VecDeque::new(), scratch: vec![SILENCE; LONGEST_PACKET], made_up: HOLD + FADE }
    }

    /// How many samples wait.
    pub(crate) fn len(&self) -> usize {
        self.sound.len()
    }

    /// Whether what is made up has faded out.
    pub(crate) fn is_faded(&self) -> bool {
        self.made_up >= HOLD + FADE
    }

    /// Appends a packet's sound. False if it was no Opus.
    pub(crate) fn packet(&mut self, data: &[u8], samples: usize) -> bool {
        let decoded = self.decode(data, samples, false);
        let (from, length) = match self.gain() {
            0.0 => (0.0, ONSET),
            gain => (gain, RETURN),
        };
        let sound = self.scratch[..samples].iter().enumerate().map(|(i, sample)| {
            let gain = if from < 1.0 { from + (1.0 - from) * ramp(i, length) } else { 1.0 };
            sample.map(|level| level * gain)
        });
        self.sound.extend(sound);
        self.made_up = 0;
        decoded
    }

    /// Appends about as many samples made up of what went before; they fade out in the long run. Returns how many.
    pub(crate) fn make_up(&mut self, samples: usize) -> usize {
        let samples = samples.next_multiple_of(CONCEALED_STEP).min(LONGEST_PACKET);
        if !self.is_faded() {
            self.decode(&[], samples, false);
        }
        for i in 0..samples {
            let gain = self.gain();
            self.sound.push_back(if gain > 0.0 {
                self.scratch[i].map(|level| level * gain)
            } else {
                SILENCE
            });
            self.made_up += 1;
        }
        samples
    }

    /// Appends silence.
    pub(crate) fn pause(&mut self, samples: usize) {
        self.sound.extend(std::iter::repeat_n(SILENCE, samples));
        self.made_up = HOLD + FADE;
    }

    /// Takes the oldest samples.
    pub(crate) fn take(&mut self, samples: usize, out: &mut Vec<Sample>) {
        let samples = samples.min(self.sound.len());
        out.extend(self.sound.drain(..samples));
    }

    fn gain(&self) -> f32 {
        1.0 - ramp(self.made_up.saturating_sub(HOLD), FADE)
    }

    /// Decodes into the scratch; silence where that fails.
    fn decode(&mut self, data: &[u8], samples: usize, fec: bool) -> bool {
        let target = &mut self.scratch[..samples];
        let decoded = self
            .decoder
            .as_mut()
            .and_then(|decoder| decoder.decode_float(data, target.as_flattened_mut(), fec).ok())
            .unwrap_or(0);
        target[decoded.min(samples)..].fill(SILENCE);
        for level in target.as_flattened_mut() {
            // Garbage may decode to anything.
            *level = if level.is_finite() { level.clamp(-1.5, 1.5) } else { 0.0 };
        }
        decoded > 0
    }
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded").field("waiting", &self.sound.len()).finish_non_exhaustive()
    }
}
