//! Shapes of the browser's objects that `web-sys` does not have, or has wrongly.

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::EventTarget;

#[wasm_bindgen]
extern "C" {
    /// `RequestInit`, to be sent even while the page goes away.
    pub(crate) type LastingRequest;

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_keepalive(this: &LastingRequest, keepalive: bool);

    /// What a stream's reader hands out.
    pub(crate) type Chunk;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn value(this: &Chunk) -> Option<Uint8Array>;

    /// `navigator`, where it has locks (W3C Web Locks; secure contexts alone).
    pub(crate) type NavigatorWithLocks;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn locks(this: &NavigatorWithLocks) -> Option<LockManager>;

    /// `LockManager`.
    pub(crate) type LockManager;

    #[wasm_bindgen(method)]
    pub(crate) fn request(this: &LockManager, name: &str, options: &LockRequest, taken: &Function)
    -> Promise;

    /// `LockOptions`.
    pub(crate) type LockRequest;

    #[wasm_bindgen(method, setter, js_name = ifAvailable)]
    pub(crate) fn set_if_available(this: &LockRequest, if_available: bool);

    /// `RTCRtpReceiver`, where its jitter buffer can be told what to aim at (W3C webrtc-extensions).
    pub(crate) type BufferedReceiver;

    #[wasm_bindgen(method, setter, js_name = jitterBufferTarget)]
    pub(crate) fn set_jitter_buffer_target(this: &BufferedReceiver, millis: f64);

    /// `RTCPeerConnection`, where what it is told may be refused.
    pub(crate) type ConfiguredConnection;

    #[wasm_bindgen(method, catch, js_name = setConfiguration)]
    pub(crate) fn set_configuration(
        this: &ConfiguredConnection,
        configuration: &JsValue,
    ) -> Result<(), JsValue>;

    /// `navigator.audioSession` (W3C Audio Session; Safari).
    pub(crate) type AudioSession;

    #[wasm_bindgen(method, setter, js_name = type)]
    pub(crate) fn set_kind(this: &AudioSession, kind: &str);

    /// `navigator`, where it has an audio session.
    pub(crate) type NavigatorWithAudio;

    #[wasm_bindgen(method, getter, js_name = audioSession)]
    pub(crate) fn audio_session(this: &NavigatorWithAudio) -> Option<AudioSession>;

    /// `navigator`, where it gives microphones (secure contexts alone) and tells of permissions.
    pub(crate) type NavigatorWithMicrophones;

    #[wasm_bindgen(method, getter, js_name = mediaDevices)]
    pub(crate) fn media_devices(this: &NavigatorWithMicrophones) -> Option<MediaDevices>;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn permissions(this: &NavigatorWithMicrophones) -> Option<Permissions>;

    /// `MediaDevices`.
    #[wasm_bindgen(extends = EventTarget)]
    pub(crate) type MediaDevices;

    #[wasm_bindgen(method, catch, js_name = getUserMedia)]
    pub(crate) fn get_user_media(this: &MediaDevices, constraints: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, js_name = enumerateDevices)]
    pub(crate) fn enumerate_devices(this: &MediaDevices) -> Promise;

    /// `Permissions`.
    pub(crate) type Permissions;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn query(this: &Permissions, descriptor: &JsValue) -> Result<Promise, JsValue>;

    /// `navigator`, where it has a media session (W3C Media Session).
    pub(crate) type NavigatorWithKeys;

    #[wasm_bindgen(method, getter, js_name = mediaSession)]
    pub(crate) fn media_session(this: &NavigatorWithKeys) -> Option<MediaSession>;

    /// `MediaSession`.
    pub(crate) type MediaSession;

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_metadata(this: &MediaSession, metadata: Option<&MediaMetadata>);
    #[wasm_bindgen(method, setter, js_name = playbackState)]
    pub(crate) fn set_playback_state(this: &MediaSession, state: &str);
    #[wasm_bindgen(method, catch, js_name = setActionHandler)]
    pub(crate) fn set_action_handler(
        this: &MediaSession,
        action: &str,
        handler: Option<&Function>,
    ) -> Result<(), JsValue>;

    /// `MediaMetadata`, and what it is made of.
    pub(crate) type MediaMetadata;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(from: &MediaMetadata) -> MediaMetadata;
    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_title(this: &MediaMetadata, title: &str);
    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_artist(this: &MediaMetadata, artist: &str);

    /// An `AudioContext`'s latency in seconds, where the browser knows it.
    pub(crate) type LatentContext;

    #[wasm_bindgen(method, getter, js_name = baseLatency)]
    pub(crate) fn base_latency(this: &LatentContext) -> Option<f64>;

    #[wasm_bindgen(method, getter, js_name = outputLatency)]
    pub(crate) fn output_latency(this: &LatentContext) -> Option<f64>;

    /// The answer of `RTCPeerConnection.getStats`, a map.
    pub(crate) type StatsMap;

    #[wasm_bindgen(method)]
    pub(crate) fn get(this: &StatsMap, id: &str) -> Option<JsValue>;

    #[wasm_bindgen(method, js_name = forEach)]
    pub(crate) fn for_each(this: &StatsMap, take: &mut dyn FnMut(JsValue));
}
