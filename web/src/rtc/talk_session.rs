use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Interval;
use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;
use yew::Callback;

use super::call::{Call, Endpoint};
use super::microphone::Microphone;
use super::peer::Peer;
use super::stream::Stream;
use super::wire::{Standing, Wire};
use crate::state::{Event, Failure, Leg};

/// How often a session is looked at: what is said before it is seen to stand is not sent.
const LOOK_EVERY_MILLIS: u32 = 50;

/// Looks that a session may take to stand: ten seconds.
const CONNECT_WITHIN_LOOKS: u32 = 200;

/// Looks from one reading of the way to the next: a second.
const LOOKS_PER_REPORT: u32 = 20;

/// Looks from one question to the next while packets do not get through: two seconds.
const LOOKS_PER_QUESTION: u32 = 40;

/// One session that sends what a microphone hears, by WebRTC or by a stream. Dropping it ends it at both ends.
pub struct TalkSession {
    inner: Rc<Inner>,
    _looking: Interval,
}

/// What a session tells, and what it is told.
#[derive(Clone)]
pub struct TalkTies {
    /// What happens to the session. [`Event::Sound`] says that it stands.
    pub on_event: Callback<Event>,
    /// By which number the relay tells of this talker.
    pub on_number: Callback<u32>,
    /// Whether the relay may have forgotten the session: it is asked once.
    pub doubted: Rc<Cell<bool>>,
}

struct Inner {
    wire: Wire,
    /// The session's own: what silences it silences no other card's.
    track: Rc<RefCell<MediaStreamTrack>>,
    ties: TalkTies,
    stands: Cell<bool>,
    looks: Cell<u32>,
    closed: Cell<bool>,
}

impl TalkSession {
    /// Asks the relay for a session, and sends silence until it is told to be live.
    ///
    /// # Errors
    /// When this browser cannot send.
    pub fn open(
        leg: &Leg,
        endpoint: Endpoint,
        microphone: &Microphone,
        ties: TalkTies,
    ) -> Result<Self, Failure> {
        let track = Rc::new(RefCell::new(silent_copy(microphone)));
        let raw = microphone.choice().raw;
        let wire = match leg.stream {
            true => Wire::Stream(send_stream(&endpoint, microphone, &track)),
            false => {
                let peer = Peer::sending(&track.borrow(), raw).map_err(|_| Failure::NoWebRtc)?;
                Wire::Call(Call::new(peer, leg.better_than))
            }
        };
        let inner = Rc::new(Inner {
            wire,
            track,
            ties,
            stands: Cell::new(false),
            looks: Cell::new(0),
            closed: Cell::new(false),
        });
        if let Wire::Call(call) = &inner.wire {
            spawn_local(Rc::clone(&inner).connect(Rc::clone(call), endpoint));
        }
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
        match &self.inner.wire {
            Wire::Call(call) => call.peer.send(&track),
            Wire::Stream(stream) => stream.with(|line| line.hear(&track)),
        }
        self.inner.track.replace(track).stop();
    }
}

impl Drop for TalkSession {
    fn drop(&mut self) {
        self.inner.closed.set(true);
        self.inner.track.borrow().stop();
        self.inner.wire.close();
    }
}

impl Inner {
    async fn connect(self: Rc<Self>, call: Rc<Call>, endpoint: Endpoint) {
        match call.negotiate(&endpoint, None).await {
            Ok(answered) => {
                self.know(answered.talker);
                self.tell(answered.event);
            }
            Err(refusal) => self.tell(Event::Refused(refusal, js_sys::Math::random())),
        }
    }

    fn look(self: &Rc<Self>) {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        let standing = self.wire.standing();
        // A relay that goes says nothing to those that only send.
        let odd = standing == Standing::Doubtful && looks.is_multiple_of(LOOKS_PER_QUESTION);
        if self.wire.stands() && (odd || self.ties.doubted.take()) {
            spawn_local(Rc::clone(self).ask(odd));
        }
        match standing {
            Standing::Connected if !self.stands.replace(true) => self.begin(),
            Standing::Connected if looks.is_multiple_of(LOOKS_PER_REPORT) => {
                spawn_local(Rc::clone(self).report());
            }
            Standing::Opening if looks > CONNECT_WITHIN_LOOKS => {
                self.tell(Event::broken(js_sys::Math::random()));
            }
            standing => {
                if let Some(end) = standing.end() {
                    self.tell(end);
                }
            }
        }
    }

    fn begin(self: &Rc<Self>) {
        if let Wire::Stream(stream) = &self.wire {
            self.know(stream.talker());
        }
        self.tell(Event::Connected);
        self.tell(Event::Sound);
        spawn_local(Rc::clone(self).report());
    }

    async fn report(self: Rc<Self>) {
        let snapshot = self.wire.snapshot().await;
        self.tell(Event::Seen { way: snapshot.and_then(|snapshot| snapshot.way), flows: true });
    }

    async fn ask(self: Rc<Self>, odd: bool) {
        match self.wire.ask().await {
            // It begins again when the connection is seen to stand.
            Some(Event::Unanswered) if odd => {
                self.stands.set(false);
                self.tell(Event::Unanswered);
            }
            Some(Event::Unanswered) => {}
            Some(event) => self.tell(event),
            None if odd => self.tell(Event::Stalled),
            None => {}
        }
    }

    fn know(&self, number: Option<u32>) {
        if let Some(number) = number {
            self.ties.on_number.emit(number);
        }
    }

    fn tell(&self, event: Event) {
        if !self.closed.get() {
            self.ties.on_event.emit(event);
        }
    }
}

fn silent_copy(microphone: &Microphone) -> MediaStreamTrack {
    let track = MediaStreamTrack::clone(microphone.track());
    track.set_enabled(false);
    track
}

fn send_stream(
    endpoint: &Endpoint,
    microphone: &Microphone,
    track: &Rc<RefCell<MediaStreamTrack>>,
) -> Rc<Stream> {
    // Whichever is heard when the stream begins.
    let track = Rc::clone(track);
    let (context, stereo) = (microphone.context().clone(), microphone.choice().raw);
    let (base, source, with) = (endpoint.base.clone(), endpoint.source.clone(), endpoint.with.clone());
    Stream::open(move |streams| {
        streams.talk(&base, &source, with.as_deref(), &track.borrow(), &context, stereo)
    })
}
