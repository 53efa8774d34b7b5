//! From a received track to the loudspeaker.
//!
//! ```text
//! track ─▶ source ─▶ input (made stereo) ─┬─▶ volume ─▶ loudspeaker
//!                                         └─▶ splitter ─▶ analyser, left and right
//! ```

use std::cell::RefCell;

use gloo_timers::callback::Timeout;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    AnalyserNode, AudioContext, AudioContextState, ChannelCountMode, GainNode, HtmlAudioElement, MediaStream,
    MediaStreamAudioSourceNode, MediaStreamTrack,
};

use crate::js::{LatentContext, NavigatorWithAudio};
use crate::state::Failure;

/// Samples an analyser keeps: 85 ms at 48 kHz, so that looking ten times a second misses nothing.
const ANALYSED_FRAMES: u32 = 4_096;

/// The newest samples that a meter's picture is made of: 21 ms at 48 kHz.
const PICTURE_FRAMES: usize = 1_024;

/// How long the sound device stays awake when nobody hears anything any more.
const REST_AFTER_MILLIS: u32 = 2_000;

/// How quickly a new volume is reached, in seconds: a jump would click.
const VOLUME_RAMP_SECS: f64 = 0.012;

/// A browser that lets sound begin has begun within so many looks.
const LOOKS_FOR_LEAVE: u32 = 10;

/// From one such look to the next.
const LOOK_FOR_LEAVE_MILLIS: u32 = 60;

/// The largest sample magnitudes of late, 0..1 and above.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Levels {
    /// The left channel's.
    pub left: f32,
    /// The right channel's.
    pub right: f32,
}

/// A card's way to the loudspeaker, open from *Listen* to *Stop*.
pub struct Output {
    context: AudioContext,
    element: HtmlAudioElement,
    input: GainNode,
    volume: GainNode,
    analysers: [AnalyserNode; 2],
    source: RefCell<Option<MediaStreamAudioSourceNode>>,
    samples: RefCell<Vec<f32>>,
}

thread_local! {
    /// Browsers allow few contexts, and each costs a thread: all cards share one.
    static CONTEXT: RefCell<Option<AudioContext>> = const { RefCell::new(None) };
    static OPEN_OUTPUTS: RefCell<u32> = const { RefCell::new(0) };
}

impl Output {
    /// Opens the way, with a factor on samples of 0..1. Call it inside the user's click, or the browser holds the sound back.
    ///
    /// # Errors
    /// When this browser has no Web Audio.
    pub fn open(gain: f32) -> Result<Self, Failure> {
        let context = context().map_err(|_| Failure::NoWebRtc)?;
        let output = Self::build(context).map_err(|_| Failure::NoWebRtc)?;
        output.volume.gain().set_value(gain);
        OPEN_OUTPUTS.with_borrow_mut(|open| *open += 1);
        // Whether it runs is read from its state.
        let _ = output.context.resume();
        play_on_loudspeaker();
        Ok(output)
    }

    fn build(context: AudioContext) -> Result<Self, JsValue> {
        let input = context.create_gain()?;
        input.set_channel_count(2);
        input.set_channel_count_mode(ChannelCountMode::Explicit);
        let volume = context.create_gain()?;
        input.connect_with_audio_node(&volume)?;
        volume.connect_with_audio_node(&context.destination())?;
        let splitter = context.create_channel_splitter_with_number_of_outputs(2)?;
        input.connect_with_audio_node(&splitter)?;
        let analyser = |channel| {
            let analyser = context.create_analyser()?;
            analyser.set_fft_size(ANALYSED_FRAMES);
            splitter.connect_with_audio_node_and_output(&analyser, channel)?;
            Ok::<_, JsValue>(analyser)
        };
        let analysers = [analyser(0)?, analyser(1)?];
        let element = HtmlAudioElement::new()?;
        element.set_muted(true);
        Ok(Self {
            context,
            element,
            input,
            volume,
            analysers,
            source: RefCell::new(None),
            samples: RefCell::new(vec![0.0; ANALYSED_FRAMES as usize]),
        })
    }

    /// Lets a track be heard, in place of the one before it.
    ///
    /// # Errors
    /// When the browser cannot play it.
    pub(super) fn attach(&self, track: &MediaStreamTrack) -> Result<(), JsValue> {
        self.detach();
        let stream = MediaStream::new()?;
        stream.add_track(track);
        // Chromium gives a remote track to Web Audio only while a media element plays it, too.
        self.element.set_src_object(Some(&stream));
        let _ = self.element.play()?;
        let source = self.context.create_media_stream_source(&stream)?;
        source.connect_with_audio_node(&self.input)?;
        *self.source.borrow_mut() = Some(source);
        Ok(())
    }

    /// Lets go of the track.
    pub(super) fn detach(&self) {
        if let Some(source) = self.source.take() {
            // Disconnecting what is connected cannot fail.
            let _ = source.disconnect();
        }
        self.element.set_src_object(None);
    }

    /// Sets the factor on samples, 0..1.
    pub fn set_gain(&self, gain: f32) {
        let parameter = self.volume.gain();
        // Times and targets are finite, the only thing this call objects to.
        let _ = parameter.set_target_at_time(gain, self.context.current_time(), VOLUME_RAMP_SECS);
    }

    /// Whether the browser lets sound out.
    pub fn is_running(&self) -> bool {
        self.context.state() == AudioContextState::Running
    }

    /// Asks the browser to let sound out again, where it stopped: after a sleep, or when another program took the loudspeaker.
    pub(super) fn wake(&self) {
        if !self.is_running() {
            // As above.
            let _ = self.context.resume();
        }
    }

    /// The levels of the last picture's time, before the volume.
    pub fn levels(&self) -> Levels {
        self.peaks_of_newest(PICTURE_FRAMES)
    }

    /// The largest magnitude of the last tenth of a second, before the volume.
    pub(super) fn peak(&self) -> f32 {
        let levels = self.peaks_of_newest(ANALYSED_FRAMES as usize);
        levels.left.max(levels.right)
    }

    /// What the browser and its loudspeaker add, in seconds, where the browser knows.
    pub(super) fn latency_secs(&self) -> Option<f64> {
        let context: &LatentContext = self.context.unchecked_ref();
        context.output_latency().filter(|secs| *secs > 0.0).or_else(|| context.base_latency())
    }

    fn peaks_of_newest(&self, frames: usize) -> Levels {
        let mut samples = self.samples.borrow_mut();
        let mut peak = |analyser: &AnalyserNode| {
            analyser.get_float_time_domain_data(&mut samples);
            let from = samples.len().saturating_sub(frames);
            samples[from..].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
        };
        Levels { left: peak(&self.analysers[0]), right: peak(&self.analysers[1]) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.detach();
        // As above, disconnecting cannot fail.
        let _ = self.volume.disconnect();
        let _ = self.input.disconnect();
        let open = OPEN_OUTPUTS.with_borrow_mut(|open| {
            *open = open.saturating_sub(1);
            *open
        });
        if open == 0 {
            // Where Chromium is to stop before it has begun, its clock stands still for good, and it says that it runs.
            Timeout::new(REST_AFTER_MILLIS, rest).forget();
        }
    }
}

/// A context that nobody hears would keep the sound device awake.
fn rest() {
    let context = CONTEXT.with_borrow(Option::clone);
    if let Some(context) = context.filter(|context| context.state() == AudioContextState::Running)
        && OPEN_OUTPUTS.with_borrow(|open| *open == 0)
    {
        // Whether it rests is read from its state.
        let _ = context.suspend();
    }
}

fn context() -> Result<AudioContext, JsValue> {
    CONTEXT.with_borrow_mut(|slot| match slot {
        Some(context) => Ok(context.clone()),
        None => Ok(slot.insert(AudioContext::new()?).clone()),
    })
}

/// Makes the context before it is needed: its first making takes Chromium 50 ms, its start 6.
pub(super) fn warm_up() {
    // A browser without Web Audio says so when it is asked to listen.
    let _ = context();
}

/// Tells whether the browser lets sound begin without a click.
pub fn ask_to_play(tell: impl FnOnce(bool) + 'static) {
    let Ok(context) = context() else { return tell(false) };
    // Where it is not allowed this promise waits for a click.
    let _ = context.resume();
    look_for_leave(context, LOOKS_FOR_LEAVE, tell);
}

fn look_for_leave(context: AudioContext, looks: u32, tell: impl FnOnce(bool) + 'static) {
    let running = context.state() == AudioContextState::Running;
    if running || looks == 0 {
        return tell(running);
    }
    // Ends by itself within a second.
    Timeout::new(LOOK_FOR_LEAVE_MILLIS, move || look_for_leave(context, looks - 1, tell)).forget();
}

/// Tells iOS that this is playback, which its silent switch does not silence.
fn play_on_loudspeaker() {
    let Some(window) = web_sys::window() else { return };
    let navigator: NavigatorWithAudio = window.navigator().unchecked_into();
    if let Some(session) = navigator.audio_session() {
        session.set_kind("playback");
    }
}
