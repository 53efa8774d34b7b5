//! From what a session receives to the loudspeaker.
//!
//! ```text
//! session ─▶ inlet ─▶ input (made stereo) ─┬─▶ volume ─▶ loudspeaker
//! another ─▶ inlet ─▶                      └─▶ gauge
//! ```

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    AudioNode, ChannelCountMode, GainNode, HtmlAudioElement, MediaStream, MediaStreamAudioSourceNode,
    MediaStreamTrack,
};

use super::context::{self, Awake};
use super::gauge::Gauge;
use crate::js::LatentContext;
use crate::state::Failure;

/// How quickly a new volume is reached, in seconds (a time constant): a jump would click.
const VOLUME_RAMP_SECS: f64 = 0.012;

/// A card's way to the loudspeaker, open from *Listen* to *Stop*.
pub struct Output {
    awake: Awake,
    input: GainNode,
    volume: GainNode,
    gauge: Rc<Gauge>,
}

/// Where one session's sound comes in, until closed or dropped.
pub(super) struct Inlet {
    output: Rc<Output>,
    gain: GainNode,
    played: RefCell<Option<(HtmlAudioElement, MediaStreamAudioSourceNode)>>,
}

impl Output {
    /// Opens the way, with a factor on samples of 0..1. Call it inside the user's click, or the browser holds the sound back.
    ///
    /// # Errors
    /// When this browser has no Web Audio.
    pub fn open(gain: f32) -> Result<Self, Failure> {
        let output = Self::build().map_err(|_| Failure::NoWebRtc)?;
        output.volume.gain().set_value(gain);
        context::say_what_for();
        Ok(output)
    }

    fn build() -> Result<Self, JsValue> {
        let awake = Awake::begin()?;
        let context = awake.context();
        let input = context.create_gain()?;
        input.set_channel_count(2);
        input.set_channel_count_mode(ChannelCountMode::Explicit);
        let volume = context.create_gain()?;
        input.connect_with_audio_node(&volume)?;
        volume.connect_with_audio_node(&context.destination())?;
        let gauge = Rc::new(Gauge::of(&input, context)?);
        Ok(Self { awake, input, volume, gauge })
    }

    /// Opens a way in, which is heard at once, or not yet.
    ///
    /// # Errors
    /// When the browser has no more room for it.
    pub(super) fn inlet(self: &Rc<Self>, heard: bool) -> Result<Inlet, JsValue> {
        let gain = self.awake.context().create_gain()?;
        gain.gain().set_value(f32::from(u8::from(heard)));
        gain.connect_with_audio_node(&self.input)?;
        Ok(Inlet { output: Rc::clone(self), gain, played: RefCell::default() })
    }

    /// Sets the factor on samples, 0..1.
    pub fn set_gain(&self, gain: f32) {
        self.turn(&self.volume, gain);
    }

    fn turn(&self, node: &GainNode, gain: f32) {
        let now = self.awake.context().current_time();
        // Times and targets are finite, the only thing this call objects to.
        let _ = node.gain().set_target_at_time(gain, now, VOLUME_RAMP_SECS);
    }

    /// What measures the level, before the volume.
    pub fn gauge(&self) -> &Rc<Gauge> {
        &self.gauge
    }

    pub(super) fn awake(&self) -> &Awake {
        &self.awake
    }

    /// What the browser and its loudspeaker add, in seconds, where the browser knows.
    pub fn latency_secs(&self) -> Option<f64> {
        let context: &LatentContext = self.awake.context().unchecked_ref();
        context.output_latency().filter(|secs| *secs > 0.0).or_else(|| context.base_latency())
    }
}

impl Inlet {
    /// Lets a track be heard.
    ///
    /// # Errors
    /// When the browser cannot play it.
    pub(super) fn attach(&self, track: &MediaStreamTrack) -> Result<(), JsValue> {
        let stream = MediaStream::new()?;
        stream.add_track(track);
        // Chromium gives a remote track to Web Audio only while a media element plays it, too.
        let element = HtmlAudioElement::new()?;
        element.set_muted(true);
        element.set_src_object(Some(&stream));
        let _ = element.play()?;
        let source = self.output.awake.context().create_media_stream_source(&stream)?;
        source.connect_with_audio_node(&self.gain)?;
        *self.played.borrow_mut() = Some((element, source));
        Ok(())
    }

    /// Fades in, or out: what comes in besides fades the other way, so that both together stay as loud.
    pub(super) fn set_heard(&self, heard: bool) {
        self.output.turn(&self.gain, f32::from(u8::from(heard)));
    }

    /// Lets nothing more be heard.
    pub(super) fn close(&self) {
        // Disconnecting what is connected cannot fail.
        if let Some((element, source)) = self.played.take() {
            let _ = source.disconnect();
            element.set_src_object(None);
        }
        let _ = self.gain.disconnect();
    }

    pub(super) fn output(&self) -> &Rc<Output> {
        &self.output
    }

    pub(super) fn node(&self) -> &AudioNode {
        &self.gain
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.close();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Disconnecting what is connected cannot fail.
        let _ = self.volume.disconnect();
        let _ = self.input.disconnect();
    }
}
