use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use opus::{Application, Bandwidth, Bitrate, Channels, Encoder};

use crate::{Onset, Random, Recording, Signal};

const RATE: u32 = 48_000;
const LARGEST_BYTES: usize = 1275;
/// Above silence: an encoder treats real silence otherwise.
const BED: f64 = 0.003;
const LOUD: f64 = 0.7;
/// How often an encoder that pauses says that it is still there (RFC 6716, section 2.1.9).
const PAUSE_SIGN: Duration = Duration::from_millis(400);

/// What is said, and how.
#[derive(Debug, Clone)]
pub struct SpeechOptions {
    /// What is to be heard.
    pub says: Says,
    /// Two channels, the same in both; else one.
    pub stereo: bool,
    /// Samples in a packet: 480 or 960.
    pub packet_frames: u32,
    /// Only what a telephone carries, up to 4 kHz.
    pub narrowband: bool,
    /// Probability that a packet is lost.
    pub loss: f64,
}

/// What a talker says.
#[derive(Debug, Clone)]
pub enum Says {
    /// A tone of that frequency in hertz, and amplitude.
    Tone(f64, f64),
    /// A tone of half of full scale for each ear, in hertz.
    Ears(f64, f64),
    /// Near silence, and a sharp burst of 1 kHz that often.
    Onsets(Duration),
    /// A second of a tone of that frequency, a second in which the encoder pauses, and so on.
    Pauses(f64),
    /// Random bytes that are no Opus.
    Garbage,
    /// Nothing, ever.
    Nothing,
    /// A recording, once.
    Recorded(Arc<Recording>),
}

/// A packet as it is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub(super) sequence: u64,
    pub(super) time: u32,
    pub(super) payload: Vec<u8>,
}

/// Makes a talker's packets.
#[derive(Debug)]
pub struct Speech {
    options: SpeechOptions,
    encoder: Encoder,
    random: Random,
    /// Samples said so far.
    frame: u64,
    sequence: u64,
    onsets: Arc<Mutex<Vec<Onset>>>,
}

impl Default for SpeechOptions {
    fn default() -> Self {
        Self { says: Says::Tone(700.0, 0.5), stereo: true, packet_frames: 960, narrowband: false, loss: 0.0 }
    }
}

impl SpeechOptions {
    /// A tone of half of full scale.
    pub fn tone(hz: f64) -> Self {
        Self::says(Says::Tone(hz, 0.5))
    }

    /// Any speech.
    pub fn says(says: Says) -> Self {
        Self { says, ..Self::default() }
    }
}

impl Speech {
    /// Prepares to speak.
    ///
    /// # Errors
    /// When Opus does not know such packets.
    pub fn new(options: SpeechOptions) -> Result<Self> {
        let channels = if options.stereo { Channels::Stereo } else { Channels::Mono };
        let mut encoder = Encoder::new(RATE, channels, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(if options.stereo { 128_000 } else { 48_000 }))?;
        if options.narrowband {
            encoder.set_bandwidth(Bandwidth::Narrowband)?;
        }
        let onsets = Arc::default();
        Ok(Self { options, encoder, random: Random::new(7), frame: 0, sequence: 65_530, onsets })
    }

    /// How much time a packet holds.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.options.packet_frames) / f64::from(RATE))
    }

    /// The next packet, which is to be sent now; none where nothing is to be sent.
    ///
    /// # Errors
    /// When Opus refuses.
    pub fn go_on(&mut self) -> Result<Option<Said>> {
        let (begin, count) = (self.frame, u64::from(self.options.packet_frames));
        self.frame += count;
        let lost = self.random.chance(self.options.loss);
        let payload = match &self.options.says {
            Says::Nothing => return Ok(None),
            Says::Garbage => {
                let length = 1 + self.random.below(400);
                self.random.bytes(length)
            }
            Says::Pauses(_) if begin / u64::from(RATE) % 2 == 1 => {
                let sign = (PAUSE_SIGN.as_secs_f64() * f64::from(RATE)) as u64;
                if begin / count % (sign / count) != 0 {
                    return Ok(None);
                }
                // A table of contents alone: there is no sound.
                vec![0x78]
            }
            _ => self.encode(begin, count)?,
        };
        self.sequence += 1;
        if let Says::Onsets(every) = self.options.says
            && begin % samples(every) < count
        {
            let onset = Onset { sent: SystemTime::now() };
            self.onsets.lock().unwrap_or_else(PoisonError::into_inner).push(onset);
        }
        Ok((!lost).then_some(Said { sequence: self.sequence, time: begin as u32, payload }))
    }

    pub(super) fn onsets(&self) -> &Arc<Mutex<Vec<Onset>>> {
        &self.onsets
    }

    fn encode(&mut self, begin: u64, count: u64) -> Result<Vec<u8>> {
        let channels = if self.options.stereo { 2 } else { 1 };
        let frames = (begin..begin + count).map(|index| self.sample(index));
        let interleaved: Vec<f32> = frames.flat_map(|both| both.into_iter().take(channels)).collect();
        Ok(self.encoder.encode_vec_float(&interleaved, LARGEST_BYTES)?)
    }

    fn sample(&self, index: u64) -> [f32; 2] {
        let tone = |hz: f64| (TAU * (hz * index as f64 / f64::from(RATE)).fract()).sin();
        match &self.options.says {
            Says::Tone(hz, amplitude) => [(amplitude * tone(*hz)) as f32; 2],
            Says::Ears(left, right) => [(0.5 * tone(*left)) as f32, (0.5 * tone(*right)) as f32],
            Says::Pauses(hz) => [(0.5 * tone(*hz)) as f32; 2],
            Says::Onsets(every) => {
                let since = index % samples(*every);
                let level = if since < samples(Signal::BURST) { LOUD } else { BED };
                [(level * (TAU * 1000.0 * since as f64 / f64::from(RATE)).cos()) as f32; 2]
            }
            Says::Recorded(recording) => recording.frames.get(index as usize).copied().unwrap_or_default(),
            Says::Garbage | Says::Nothing => [0.0; 2],
        }
    }
}

fn samples(length: Duration) -> u64 {
    (length.as_secs_f64() * f64::from(RATE)) as u64
}
