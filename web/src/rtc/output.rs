//! From a received track to the loudspeaker.
//!
//! ```text
//! track ─▶ source ─▶ input (made stereo) ─┬─▶ volume ─▶ loudspeaker
//!                                         └─▶ gauge
//! ```

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    ChannelCountMode, GainNode, HtmlAudioElement, MediaStream, MediaStreamAudioSourceNode, MediaStreamTrack,
};

use super::context::{self, Awake};
use super::gauge::Gauge;
use crate::js::LatentContext;
use crate::state::Failure;

/// How quickly a new volume is reached, in seconds: a jump would click.
const VOLUME_RAMP_SECS: f64 = 0.012;

/// A card's way to the loudspeaker, open from *Listen* to *Stop*.
pub struct Output {
    awake: Awake,
    element: HtmlAudioElement,
    input: GainNode,
    volume: GainNode,
    gauge: Rc<Gauge>,
    source: RefCell<Option<MediaStreamAudioSourceNode>>,
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
        let element = HtmlAudioElement::new()?;
        element.set_muted(true);
        Ok(Self { awake, element, input, volume, gauge, source: RefCell::new(None) })
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
        let source = self.awake.context().create_media_stream_source(&stream)?;
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
        let _ = parameter.set_target_at_time(gain, self.awake.context().current_time(), VOLUME_RAMP_SECS);
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

impl Drop for Output {
    fn drop(&mut self) {
        self.detach();
        // As above, disconnecting cannot fail.
        let _ = self.volume.disconnect();
        let _ = self.input.disconnect();
    }
}
