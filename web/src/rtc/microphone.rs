//! The microphone, and which there are.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_events::EventListener;
use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AudioContext, EventTarget, MediaStream, MediaStreamAudioSourceNode, MediaStreamTrack};
use yew::Callback;

use super::context::{Awake, Speaking};
use super::gauge::Gauge;
use crate::js::{MediaDevices, NavigatorWithMicrophones};
use crate::relay::json::Fields;
use crate::state::Trouble;
use crate::store::{Choice, Device};

/// What happens to microphones by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum MicrophoneNews {
    /// These there are.
    Devices(Vec<Device>),
    /// The permission was given, or taken back.
    Permission(bool),
    /// The one in use went away.
    Ended(Trouble),
}

/// A microphone in use: the browser shows that it is. Let go when dropped.
pub struct Microphone {
    choice: Choice,
    track: MediaStreamTrack,
    gauge: Rc<Gauge>,
    /// Whether the browser named its device.
    listed: Cell<bool>,
    source: MediaStreamAudioSourceNode,
    awake: Awake,
    _speaking: Speaking,
    _ended: EventListener,
}

impl Microphone {
    /// Asks the browser for a microphone; where the chosen device is gone, for any. `news` is told when it goes away.
    ///
    /// # Errors
    /// When there is none, or the person or the system says no.
    pub async fn open(mut choice: Choice, news: Callback<MicrophoneNews>) -> Result<Self, Trouble> {
        let devices = media_devices().ok_or(Trouble::Insecure)?;
        let speaking = Speaking::begin();
        let mut asked = ask(&devices, &choice).await;
        if asked.as_ref().is_err_and(|error| name(error) == "OverconstrainedError") && choice.device.is_some()
        {
            choice.device = None;
            asked = ask(&devices, &choice).await;
        }
        let stream = asked.map_err(|error| trouble(&name(&error)))?;
        Self::with(choice, &stream, speaking, news).map_err(|_| Trouble::Unknown)
    }

    fn with(
        choice: Choice,
        stream: &MediaStream,
        speaking: Speaking,
        news: Callback<MicrophoneNews>,
    ) -> Result<Self, JsValue> {
        let track: MediaStreamTrack = stream.get_audio_tracks().get(0).dyn_into()?;
        let awake = Awake::begin()?;
        let source = awake.context().create_media_stream_source(stream)?;
        let gauge = Rc::new(Gauge::of(&source, awake.context())?);
        let ended = EventListener::new(&track, "ended", move |_| {
            let news = news.clone();
            spawn_local(async move {
                let trouble = if is_allowed().await { Trouble::Unplugged } else { Trouble::Revoked };
                news.emit(MicrophoneNews::Ended(trouble));
            });
        });
        let listed = Cell::new(false);
        Ok(Self { choice, track, gauge, listed, source, awake, _speaking: speaking, _ended: ended })
    }

    /// Which it is, and how it hears: what was chosen, unless that device was gone.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// What measures its level.
    pub fn gauge(&self) -> &Rc<Gauge> {
        &self.gauge
    }

    /// Whether its device was among those there were, and is not among these.
    pub fn has_left(&self, devices: &[Device]) -> bool {
        let id = Fields::of(self.track.get_settings().into()).text("deviceId").unwrap_or_default();
        let is_listed = devices.iter().any(|device| device.id == id);
        self.listed.replace(is_listed) && !is_listed
    }

    pub(super) fn context(&self) -> &AudioContext {
        self.awake.context()
    }

    pub(super) fn track(&self) -> &MediaStreamTrack {
        &self.track
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.track.stop();
        // Disconnecting what is connected cannot fail.
        let _ = self.source.disconnect();
    }
}

/// Follows which microphones there are, and whether the page may use them, until dropped.
pub struct Devices {
    _plugged: Option<EventListener>,
    _permitted: Rc<RefCell<Option<EventListener>>>,
}

impl Devices {
    /// Tells `news` of the microphones there are, and of the permission to use them.
    pub fn watch(news: Callback<MicrophoneNews>) -> Self {
        let told = news.clone();
        let list = move || {
            let told = told.clone();
            spawn_local(async move { told.emit(MicrophoneNews::Devices(list().await)) });
        };
        list();
        let plugged =
            media_devices().map(|devices| EventListener::new(&devices, "devicechange", move |_| list()));
        let permitted = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&permitted);
        spawn_local(async move {
            let Some(status) = permission().await else { return };
            let target: EventTarget = status.clone().unchecked_into();
            let listener = EventListener::new(&target, "change", move |_| {
                news.emit(MicrophoneNews::Permission(is_granted(&status)));
            });
            slot.replace(Some(listener));
        });
        Self { _plugged: plugged, _permitted: permitted }
    }
}

async fn ask(devices: &MediaDevices, choice: &Choice) -> Result<MediaStream, JsValue> {
    let (processed, channels) = if choice.raw { (false, 2) } else { (true, 1) };
    let audio = JSON::parse(&format!(
        r#"{{"echoCancellation":{processed},"noiseSuppression":{processed},"autoGainControl":{processed},"channelCount":{channels}}}"#
    ))?;
    if let Some(device) = &choice.device {
        let exactly = Object::new();
        Reflect::set(&exactly, &"exact".into(), &device.id.as_str().into())?;
        Reflect::set(&audio, &"deviceId".into(), &exactly)?;
    }
    let constraints = Object::new();
    Reflect::set(&constraints, &"audio".into(), &audio)?;
    JsFuture::from(devices.get_user_media(&constraints)?).await?.dyn_into()
}

/// The microphones there are. Before the permission is given the browser names none.
async fn list() -> Vec<Device> {
    let Some(devices) = media_devices() else { return vec![] };
    let Ok(found) = JsFuture::from(devices.enumerate_devices()).await else { return vec![] };
    let device = |device| {
        let device = Fields::of(device);
        let id = device.text("deviceId").filter(|id| !id.is_empty())?;
        let is_microphone = device.text("kind").is_some_and(|kind| kind == "audioinput");
        is_microphone
            .then(|| Device { id: id.into(), label: device.text("label").unwrap_or_default().into() })
    };
    Array::from(&found).iter().filter_map(device).collect()
}

/// What the browser knows of the permission; none where it does not say.
async fn permission() -> Option<JsValue> {
    let microphone = JSON::parse(r#"{"name":"microphone"}"#).ok()?;
    let asked = navigator()?.permissions()?.query(&microphone).ok()?;
    JsFuture::from(asked).await.ok()
}

async fn is_allowed() -> bool {
    permission().await.is_none_or(|status| is_granted(&status))
}

fn is_granted(status: &JsValue) -> bool {
    Fields::of(status.clone()).text("state").is_some_and(|state| state == "granted")
}

/// Whether the browser gives this page microphones at all.
pub fn has_microphones() -> bool {
    media_devices().is_some()
}

fn media_devices() -> Option<MediaDevices> {
    navigator()?.media_devices()
}

fn navigator() -> Option<NavigatorWithMicrophones> {
    Some(web_sys::window()?.navigator().unchecked_into())
}

fn name(error: &JsValue) -> String {
    Fields::of(error.clone()).text("name").unwrap_or_default()
}

fn trouble(name: &str) -> Trouble {
    match name {
        "NotAllowedError" | "SecurityError" => Trouble::Denied,
        "NotFoundError" | "OverconstrainedError" => Trouble::NoDevice,
        "NotReadableError" | "AbortError" => Trouble::InUse,
        _ => Trouble::Unknown,
    }
}
