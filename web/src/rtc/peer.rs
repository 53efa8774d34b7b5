//! One `RTCPeerConnection`, which receives or sends one audio track.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStreamTrack, RtcPeerConnection, RtcPeerConnectionState, RtcRtpTransceiver,
    RtcRtpTransceiverDirection, RtcRtpTransceiverInit, RtcSdpType, RtcSessionDescriptionInit,
};

use super::offer;
use super::stats::Snapshot;
use crate::js::{BufferedReceiver, ConfiguredConnection, StatsMap};
use crate::relay::json::Fields;

/// A connection, closed when dropped.
pub(super) struct Peer {
    connection: RtcPeerConnection,
    transceiver: RtcRtpTransceiver,
    /// What its offer says of Opus.
    parameters: &'static [&'static str],
}

/// What this browser can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Receive by WebRTC.
    pub webrtc: bool,
    /// Decode a stream, as far as can be told at once (W3C WebCodecs; secure contexts alone).
    pub stream: bool,
    /// Be told how long packets are to wait.
    pub delay: bool,
}

impl Peer {
    /// A connection that is ready to receive one audio track.
    pub(super) fn receiving() -> Result<Self, JsValue> {
        let peer = Self::new(RtcRtpTransceiverDirection::Recvonly, offer::HEARS_STEREO)?;
        peer.hold_packets(0.0);
        Ok(peer)
    }

    /// A connection that is ready to send one audio track, in stereo or mono.
    pub(super) fn sending(track: &MediaStreamTrack, stereo: bool) -> Result<Self, JsValue> {
        let parameters = if stereo { offer::SENDS_STEREO } else { &[] };
        let peer = Self::new(RtcRtpTransceiverDirection::Sendonly, parameters)?;
        peer.send(track);
        Ok(peer)
    }

    fn new(
        direction: RtcRtpTransceiverDirection,
        parameters: &'static [&'static str],
    ) -> Result<Self, JsValue> {
        let connection = RtcPeerConnection::new()?;
        let init = RtcRtpTransceiverInit::new();
        init.set_direction(direction);
        let transceiver = connection.add_transceiver_with_str_and_init("audio", &init);
        Ok(Self { connection, transceiver, parameters })
    }

    /// Sends a track, in place of the one before it.
    pub(super) fn send(&self, track: &MediaStreamTrack) {
        // An audio track takes an audio track's place in every state but a closed one.
        let _ = self.transceiver.sender().replace_track(Some(track));
    }

    /// Lets packets wait for this long before they are played. The browser raises it by itself where the network needs more.
    pub(super) fn hold_packets(&self, millis: f64) {
        let receiver = self.transceiver.receiver();
        receiver.unchecked_ref::<BufferedReceiver>().set_jitter_buffer_target(millis);
    }

    /// The track, silent until packets come.
    pub(super) fn track(&self) -> MediaStreamTrack {
        self.transceiver.receiver().track()
    }

    /// The offer to send. It is not made this connection's own yet, so that the relay can think meanwhile.
    pub(super) async fn offer(&self) -> Result<String, JsValue> {
        let offer: RtcSessionDescriptionInit =
            JsFuture::from(self.connection.create_offer()).await?.unchecked_into();
        Ok(offer::with_parameters(&offer.get_sdp().unwrap_or_default(), self.parameters))
    }

    /// Takes an `RTCConfiguration` as the relay wrote it, before the offer is made this connection's own; whether it allows no way but TURN.
    pub(super) fn configure(&self, text: &str) -> bool {
        let Ok(configuration) = js_sys::JSON::parse(text) else { return false };
        let connection: &ConfiguredConnection = self.connection.unchecked_ref();
        // One that this browser does not take leaves the ways that need no server.
        let taken = connection.set_configuration(&configuration).is_ok();
        let policy = Fields::of(configuration).text("iceTransportPolicy");
        taken && policy.is_some_and(|policy| policy == "relay")
    }

    /// Makes the offer this connection's own.
    pub(super) async fn take_offer(&self, sdp: &str) -> Result<(), JsValue> {
        let description = description(RtcSdpType::Offer, sdp);
        JsFuture::from(self.connection.set_local_description(&description)).await?;
        Ok(())
    }

    /// Takes the relay's answer.
    pub(super) async fn take_answer(&self, sdp: &str) -> Result<(), JsValue> {
        let description = description(RtcSdpType::Answer, sdp);
        JsFuture::from(self.connection.set_remote_description(&description)).await?;
        Ok(())
    }

    /// Where the connection stands.
    pub(super) fn state(&self) -> RtcPeerConnectionState {
        self.connection.connection_state()
    }

    /// The counters now; none before the stream is there.
    pub(super) async fn snapshot(&self) -> Option<Snapshot> {
        let map: StatsMap = JsFuture::from(self.connection.get_stats()).await.ok()?.unchecked_into();
        Snapshot::read(&map)
    }
}

/// What this browser has of what the page can use.
pub fn abilities() -> Abilities {
    let class = |name: &str| js_sys::Reflect::get(&js_sys::global(), &name.into()).unwrap_or_default();
    let shape = js_sys::Reflect::get(&class("RTCRtpReceiver"), &"prototype".into());
    let has_target = shape.and_then(|shape| js_sys::Reflect::has(&shape, &"jitterBufferTarget".into()));
    Abilities {
        webrtc: class("RTCPeerConnection").is_function(),
        stream: class("AudioDecoder").is_function(),
        delay: has_target.unwrap_or(false),
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.close();
    }
}

fn description(kind: RtcSdpType, sdp: &str) -> RtcSessionDescriptionInit {
    let description = RtcSessionDescriptionInit::new(kind);
    description.set_sdp(sdp);
    description
}
