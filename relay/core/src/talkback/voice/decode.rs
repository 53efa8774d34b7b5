use std::collections::VecDeque;

use opus::{Channels, Decoder};

use crate::frame::RATE_HZ;
use crate::sample::{SILENCE, SILENT_BELOW, Sample, blend, ramp};

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
    /// What would have gone on where something is left out: the next packet is cross-faded from it.
    left: Vec<Sample>,
    /// How many of the latest samples are silence.
    silent: usize,
}

impl Decoded {
    pub(crate) fn new() -> Self {
        let decoder = Decoder::new(RATE_HZ, Channels::Stereo)
            .inspect_err(|error| tracing::error!(%error, "no Opus decoder: a talker is not heard"))
            .ok();
        Self {
            decoder,
            sound: VecDeque::new(),
            scratch: vec![SILENCE; LONGEST_PACKET],
            made_up: HOLD + FADE,
            left: Vec::new(),
            silent: 0,
        }
    }

    /// How many samples wait.
    pub(crate) fn len(&self) -> usize {
        self.sound.len()
    }

    /// Whether what is made up is still as loud as what went before.
    pub(crate) fn holds(&self) -> bool {
        self.made_up < HOLD
    }

    /// Whether what is made up has faded out.
    pub(crate) fn is_faded(&self) -> bool {
        self.made_up >= HOLD + FADE
    }

    /// Whether all that waits is silence.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent >= self.sound.len()
    }

    /// Appends a packet's sound. False if it was no Opus.
    pub(crate) fn packet(&mut self, data: &[u8], samples: usize) -> bool {
        if !self.decode(data, samples, false) {
            self.make_up(samples);
            return false;
        }
        let (from, length) = match self.gain() {
            0.0 => (0.0, ONSET),
            gain => (gain, RETURN),
        };
        let sound = &mut self.scratch[..samples];
        if from < 1.0 {
            for (i, sample) in sound.iter_mut().take(length).enumerate() {
                *sample = blend(sample.map(|level| level * from), *sample, ramp(i, length));
            }
        }
        for (i, (sample, left)) in sound.iter_mut().zip(self.left.drain(..)).enumerate() {
            *sample = blend(left, *sample, ramp(i, RETURN));
        }
        self.made_up = 0;
        self.append(samples);
        true
    }

    /// Appends the sound of the packet before this one, from what this one says of it. False if it says nothing.
    pub(crate) fn packet_before(&mut self, data: &[u8], samples: usize) -> bool {
        let recovered = self.decode(data, samples, true);
        if recovered {
            self.append(samples);
        }
        recovered
    }

    /// Says that the next packet does not follow the last one.
    pub(crate) fn leave_out(&mut self) {
        if self.left.is_empty() && !self.is_faded() {
            self.decode(&[], RETURN, false);
            let gain = self.gain();
            self.left.extend(self.scratch[..RETURN].iter().map(|sample| sample.map(|level| level * gain)));
        }
    }

    /// Says that the next packet is of another encoder than the last one.
    pub(crate) fn reset(&mut self) {
        self.leave_out();
        if let Some(Err(error)) = self.decoder.as_mut().map(Decoder::reset_state) {
            tracing::debug!(%error, "a decoder was not reset");
        }
    }

    /// Appends about as many samples made up of what went before; they fade out in the long run. Returns how many.
    pub(crate) fn make_up(&mut self, samples: usize) -> usize {
        let samples = samples.next_multiple_of(CONCEALED_STEP).min(LONGEST_PACKET);
        self.decode(&[], samples, false);
        for i in 0..samples {
            let gain = self.gain();
            self.scratch[i] = self.scratch[i].map(|level| level * gain);
            self.made_up += 1;
        }
        self.append(samples);
        samples
    }

    /// Appends silence.
    pub(crate) fn pause(&mut self, samples: usize) {
        self.sound.extend(std::iter::repeat_n(SILENCE, samples));
        self.silent += samples;
        self.made_up = HOLD + FADE;
        self.left.clear();
    }

    /// Puts so much silence before what waits.
    pub(crate) fn wait(&mut self, samples: usize) {
        for _ in 0..samples {
            self.sound.push_front(SILENCE);
        }
        self.silent += samples;
    }

    /// Leaves out so many of the oldest samples.
    pub(crate) fn skip(&mut self, samples: usize) {
        self.sound.drain(..samples.min(self.sound.len()));
    }

    /// Takes the oldest samples.
    pub(crate) fn take(&mut self, samples: usize, out: &mut Vec<Sample>) {
        let samples = samples.min(self.sound.len());
        out.extend(self.sound.drain(..samples));
    }

    /// Appends so many samples of the scratch.
    fn append(&mut self, samples: usize) {
        let sound = &self.scratch[..samples];
        let silent = |sample: &&Sample| sample.iter().all(|level| level.abs() < SILENT_BELOW);
        let silent = sound.iter().rev().take_while(silent).count();
        self.silent = if silent == samples { self.silent.saturating_add(samples) } else { silent };
        self.sound.extend(sound);
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
