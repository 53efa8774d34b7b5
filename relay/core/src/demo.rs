//! The demo source: a short piece of music made of sine waves, and the RTP packets that carry it.
//!
//! Nothing is stored but the notes that sound: a bell is a handful of decaying oscillators, each one a rotation a sample.

use std::f32::consts::TAU;

/// Samples a second, as everywhere after ingest.
const RATE: f32 = 48_000.0;

/// Samples between the strikes of the melody: a quarter of a second.
const STEP: usize = 12_000;

/// Samples until the piece begins again: 48 steps, 12 s.
const LOOP: usize = 48 * STEP;

/// How many notes may sound at once; the oldest gives way.
const MAX_NOTES: usize = 24;

/// Samples in a packet: 5 ms.
const PACKET: usize = 240;

/// A dynamic payload type (RFC 3551, section 3), the one that PulseAudio uses.
const PAYLOAD_TYPE: u8 = 127;

/// An endless piece of quiet bells over soft chords, 48 kHz stereo. High notes wander from ear to ear.
#[derive(Debug)]
pub struct DemoLoop {
    position: usize,
    notes: Vec<Note>,
}

impl Default for DemoLoop {
    fn default() -> Self {
        Self::new()
    }
}

impl DemoLoop {
    /// The piece from its beginning.
    pub fn new() -> Self {
        Self { position: 0, notes: Vec::with_capacity(MAX_NOTES) }
    }

    /// Fills `frames`, left and right, with the sound that follows.
    pub fn fill(&mut self, mut frames: &mut [[i16; 2]]) {
        while !frames.is_empty() {
            if self.position.is_multiple_of(STEP) {
                self.strike(self.position / STEP);
            }
            let until_strike = STEP - self.position % STEP;
            let (block, rest) = frames.split_at_mut(frames.len().min(PACKET).min(until_strike));
            let mut sum = [[0.0; 2]; PACKET];
            let sum = &mut sum[..block.len()];
            self.notes.iter_mut().for_each(|note| note.add_to(sum));
            for (frame, level) in block.iter_mut().zip(sum) {
                // A cast from float keeps within the range of the integer.
                *frame = level.map(|level| (level * FULL_SCALE) as i16);
            }
            self.position = (self.position + block.len()) % LOOP;
            frames = rest;
        }
    }

    fn strike(&mut self, step: usize) {
        self.notes.retain(|note| note.is_audible());
        let bar = &BARS[step / 8 % BARS.len()];
        if step.is_multiple_of(8) {
            for (i, &key) in bar.chord.iter().enumerate() {
                let pan = [0.0, -0.45, 0.45][i % 3];
                self.add(Note::soft(frequency_hz(key), pan));
            }
        }
        if let Some(key) = bar.melody[step % 8] {
            let pan = if step.is_multiple_of(2) { -0.7 } else { 0.7 };
            self.add(Note::bell(frequency_hz(key), pan));
        }
    }

    fn add(&mut self, note: Note) {
        if self.notes.len() == MAX_NOTES {
            self.notes.remove(0);
        }
        self.notes.push(note);
    }
}

/// Sends the [`DemoLoop`] as a container would: RTP packets with L16 of 5 ms.
#[derive(Debug)]
pub struct DemoSender {
    music: DemoLoop,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    packet: Vec<u8>,
}

impl DemoSender {
    /// A sender with the given SSRC (RFC 3550, section 5.1).
    pub fn new(ssrc: u32) -> Self {
        Self {
            music: DemoLoop::new(),
            ssrc,
            sequence: 0,
            timestamp: 0,
            packet: Vec::with_capacity(12 + 4 * PACKET),
        }
    }

    /// How much sound a packet holds: send one this often.
    pub const PACKET_TIME: std::time::Duration = std::time::Duration::from_millis(5);

    /// The next packet, ready to be sent.
    pub fn next_packet(&mut self) -> &[u8] {
        let mut frames = [[0; 2]; PACKET];
        self.music.fill(&mut frames);
        self.packet.clear();
        self.packet.extend([0x80, PAYLOAD_TYPE]);
        self.packet.extend(self.sequence.to_be_bytes());
        self.packet.extend(self.timestamp.to_be_bytes());
        self.packet.extend(self.ssrc.to_be_bytes());
        self.packet.extend(frames.as_flattened().iter().flat_map(|sample| sample.to_be_bytes()));
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(PACKET as u32);
        &self.packet
    }
}

/// Eight steps of the piece: a chord at the first, and a melody. Keys are numbered as in MIDI.
struct Bar {
    chord: [u8; 3],
    melody: [Option<u8>; 8],
}

const fn bar(chord: [u8; 3], melody: [u8; 8]) -> Bar {
    let mut keys = [None; 8];
    let mut i = 0;
    while i < 8 {
        if melody[i] > 0 {
            keys[i] = Some(melody[i]);
        }
        i += 1;
    }
    Bar { chord, melody: keys }
}

/// Fmaj9, Em7, Dm9, Cmaj7, Dm9, G: 0 is a rest.
const BARS: [Bar; 6] = [
    bar([41, 57, 64], [72, 76, 79, 84, 79, 76, 0, 79]),
    bar([40, 55, 62], [71, 74, 79, 83, 79, 74, 0, 71]),
    bar([38, 53, 60], [69, 72, 76, 81, 76, 72, 0, 76]),
    bar([36, 52, 59], [67, 71, 76, 79, 76, 71, 0, 74]),
    bar([38, 53, 60], [69, 72, 77, 81, 84, 81, 77, 72]),
    bar([43, 55, 59], [74, 79, 81, 83, 0, 79, 0, 74]),
];

/// The 16-bit value of level 1; the piece's loudest moment is at -9 dB of it.
const FULL_SCALE: f32 = 32_768.0;

/// A note: four sines that decay, a soft attack, and its place between the ears.
///
/// Each sine is a point that turns and shrinks; the four are kept side by side, so that they are computed at once.
#[derive(Debug)]
struct Note {
    x: [f32; 4],
    y: [f32; 4],
    cos: [f32; 4],
    sin: [f32; 4],
    /// Gains of the ears.
    ears: [f32; 2],
    attack: f32,
    attack_step: f32,
}

impl Note {
    fn bell(frequency: f32, pan: f32) -> Self {
        let partials = [(1.0, 0.085, 0.9), (2.0, 0.030, 0.5), (3.01, 0.012, 0.25), (5.43, 0.005, 0.12)];
        Self::new(frequency, pan, partials, 0.004)
    }

    fn soft(frequency: f32, pan: f32) -> Self {
        let partials = [(1.0, 0.07, 1.1), (1.003, 0.05, 1.1), (2.0, 0.02, 0.8), (3.0, 0.006, 0.5)];
        Self::new(frequency, pan, partials, 0.06)
    }

    /// Partials are (multiple of the frequency, level, seconds to fall to 1/e). `pan` is -1 for left to 1 for right.
    fn new(frequency: f32, pan: f32, partials: [(f32, f32, f32); 4], attack_secs: f32) -> Self {
        // As loud in between as at the sides.
        let angle = (pan + 1.0) * TAU / 8.0;
        let turn = partials.map(|(multiple, ..)| TAU * frequency * multiple / RATE);
        let shrink = partials.map(|(.., secs)| (-1.0 / (secs * RATE)).exp());
        Self {
            x: partials.map(|(_, level, _)| level),
            y: [0.0; 4],
            cos: std::array::from_fn(|i| turn[i].cos() * shrink[i]),
            sin: std::array::from_fn(|i| turn[i].sin() * shrink[i]),
            ears: [angle.cos(), angle.sin()],
            attack: 0.0,
            attack_step: 1.0 / (attack_secs * RATE),
        }
    }

    fn add_to(&mut self, sum: &mut [[f32; 2]]) {
        let (mut x, mut y, cos, sin) = (self.x, self.y, self.cos, self.sin);
        for out in sum {
            let level = (y[0] + y[1]) + (y[2] + y[3]);
            self.attack = (self.attack + self.attack_step).min(1.0);
            let level = level * self.attack * self.attack * (3.0 - 2.0 * self.attack);
            out[0] += level * self.ears[0];
            out[1] += level * self.ears[1];
            for i in 0..4 {
                (x[i], y[i]) = (x[i] * cos[i] - y[i] * sin[i], x[i] * sin[i] + y[i] * cos[i]);
            }
        }
        (self.x, self.y) = (x, y);
    }

    /// Under -70 dB of full scale nothing is missed.
    fn is_audible(&self) -> bool {
        self.attack < 1.0 || self.x.iter().zip(&self.y).any(|(x, y)| x.hypot(*y) > 3e-4)
    }
}

fn frequency_hz(key: u8) -> f32 {
    440.0 * ((f32::from(key) - 69.0) / 12.0).exp2()
}
