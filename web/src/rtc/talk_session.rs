use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Interval;
use wasm_bindgen_futures::spawn_local;
use web_sys::{MediaStreamTrack, RtcPeerConnectionState};
use yew::Callback;

use super::call::{Call, Endpoint};
use super::microphone::Microphone;
use super::peer::Peer;
use crate::state::{Event, Failure, Pause, TalkEvent};

/// How often a session is looked at: what is said before it is seen to stand is not sent.
const LOOK_EVERY_MILLIS: u32 = 50;

/// Looks that a session may take to stand: ten seconds.
const CONNECT_WITHIN_LOOKS: u32 = 200;

/// Looks from one question to the next while packets do not get through: two seconds.
const LOOKS_PER_QUESTION: u32 = 40;

/// One WebRTC connection that sends what a microphone hears. Dropping it ends it at both ends.
pub struct TalkSession {
    inner: Rc<Inner>,
    _looking: Interval,
}

/// What a session tells, and what it is told.
#[derive(Clone)]
pub struct TalkTies {
    /// What happens to the session. [`Event::Sound`] says that it stands.
    pub on_event: Callback<TalkEvent>,
    /// Whether the relay may have forgotten the session: it is asked once.
    pub doubted: Rc<Cell<bool>>,
}

struct Inner {
    call: Rc<Call>,
    /// The session's own: what silences it silences no other card's.
    track: RefCell<MediaStreamTrack>,
    ties: TalkTies,
    stands: Cell<bool>,
    looks: Cell<u32>,
}

impl TalkSession {
    /// Asks the relay for a session at `endpoint`, and sends silence until it is told to be live.
    ///
    /// # Errors
    /// When this browser cannot send.
    pub fn open(endpoint: Endpoint, microphone: &Microphone, ties: TalkTies) -> Result<Self, Failure> {
        let track = silent_copy(microphone);
        let peer = Peer::sending(&track, microphone.choice().raw).map_err(|_| Failure::NoWebRtc)?;
        let inner = Rc::new(Inner {
            call: Call::new(peer),
            track: RefCell::new(track),
            ties,
            stands: Cell::new(false),
            looks: Cell::new(0),
        });
        spawn_local(Rc::clone(&inner).connect(endpoint));
        let looking = Rc::clone(&inner);
        let looking = Interval::new(LOOK_EVERY_MILLIS, move || looking.look());
        Ok(Self { inner, _looking: looking })
    }

    /// Sends what the microphone hears, or silence.
    pub fn set_live(&self, live: bool) {
        self.inner.track.borrow().set_enabled(live);
    }

    /// Sends what another microphone hears, silence at first.
    pub fn hear(&self, microphone: &Microphone) {
        let track = silent_copy(microphone);
        self.inner.call.peer.send(&track);
        self.inner.track.replace(track).stop();
    }
}

impl Drop for TalkSession {
    fn drop(&mut self) {
        self.inner.track.borrow().stop();
        Rc::clone(&self.inner.call).close();
    }
}

impl Inner {
    async fn connect(self: Rc<Self>, endpoint: Endpoint) {
        match self.call.negotiate(&endpoint, None).await {
            Ok(number) => self.emit(TalkEvent::Known(number)),
            Err(refusal) => self.tell(Event::Refused(refusal, js_sys::Math::random())),
        }
    }

    fn look(self: &Rc<Self>) {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        let state = self.call.peer.state();
        match state {
            RtcPeerConnectionState::Connected if !self.stands.replace(true) => {
                self.tell(Event::Connected);
                self.tell(Event::Sound);
            }
            RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed => self.tell_broken(),
            _ if looks > CONNECT_WITHIN_LOOKS && !self.stands.get() => self.tell_broken(),
            _ => {}
        }
        // A relay that goes says nothing to those that only send.
        let odd = state == RtcPeerConnectionState::Disconnected && looks.is_multiple_of(LOOKS_PER_QUESTION);
        if self.call.stands() && (odd || self.ties.doubted.take()) {
            spawn_local(Rc::clone(self).ask());
        }
    }

    async fn ask(self: Rc<Self>) {
        if let Some(event) = self.call.ask().await {
            self.tell(event);
        }
    }

    fn tell_broken(&self) {
        self.tell(Event::Broken(Pause::Broken, js_sys::Math::random()));
    }

    fn tell(&self, event: Event) {
        self.emit(TalkEvent::Line(event));
    }

    fn emit(&self, event: TalkEvent) {
        if !self.call.is_closed() {
            self.ties.on_event.emit(event);
        }
    }
}

fn silent_copy(microphone: &Microphone) -> MediaStreamTrack {
    let track = MediaStreamTrack::clone(microphone.track());
    track.set_enabled(false);
    track
}
