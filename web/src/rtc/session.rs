use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Interval;
use wasm_bindgen_futures::spawn_local;
use web_sys::RtcPeerConnectionState;
use yew::Callback;

use super::call::{Call, Endpoint};
use super::output::Output;
use super::spare::{self, Offered};
use super::stats::{Report, Window};
use crate::state::{Event, Failure, Finding, Pause, Reading, Watch};

/// How often a session is looked at: sound must be seen soon after it is heard.
const LOOK_EVERY_MILLIS: u32 = 50;

/// How long packets wait where a steady sound is worth it: longer than most stalls of a wireless network.
const ROBUST_MILLIS: f64 = 200.0;

/// Looks from one reading of the counters to the next: one second.
const LOOKS_PER_REPORT: u32 = 20;

/// One WebRTC connection that hears a source. Dropping it ends it at both ends.
pub struct Session {
    inner: Rc<Inner>,
    _looking: Interval,
}

/// What a session tells, and what it is told.
#[derive(Clone)]
pub struct Ties {
    /// What happens to the session.
    pub on_event: Callback<Event>,
    /// Its figures, once a second.
    pub on_report: Callback<Report>,
    /// What the page knows and wants.
    pub wishes: Rc<Wishes>,
}

/// What a session reads at every look.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Whether the relay says that the source has stopped.
    pub stopped: Cell<bool>,
    /// Whether a steady sound is worth a longer delay.
    pub robust: Cell<bool>,
    /// Whether the relay may have forgotten the session: it is asked once.
    pub doubted: Cell<bool>,
}

struct Inner {
    call: Rc<Call>,
    output: Rc<Output>,
    ties: Ties,
    watch: RefCell<Watch>,
    window: RefCell<Window>,
    packets: Cell<u64>,
    looks: Cell<u32>,
    robust: Cell<bool>,
}

impl Session {
    /// Asks the relay for a session at `endpoint`, and lets it be heard through `output`.
    ///
    /// # Errors
    /// When this browser cannot receive.
    pub fn open(endpoint: Endpoint, output: Rc<Output>, ties: Ties) -> Result<Self, Failure> {
        let Offered { peer, offer } = spare::take().map_err(|_| Failure::NoWebRtc)?;
        output.attach(&peer.track()).map_err(|_| Failure::NoWebRtc)?;
        let inner = Rc::new(Inner {
            call: Call::new(peer),
            output,
            ties,
            watch: RefCell::new(Watch::new(js_sys::Date::now())),
            window: RefCell::default(),
            packets: Cell::new(0),
            looks: Cell::new(0),
            robust: Cell::new(false),
        });
        spawn_local(Rc::clone(&inner).connect(endpoint, offer));
        let looking = Rc::clone(&inner);
        let looking = Interval::new(LOOK_EVERY_MILLIS, move || looking.look());
        Ok(Self { inner, _looking: looking })
    }

    /// The name that the relay gave the session.
    pub fn name(&self) -> Option<String> {
        self.inner.call.name()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.inner.output.detach();
        Rc::clone(&self.inner.call).close();
    }
}

impl Inner {
    async fn connect(self: Rc<Self>, endpoint: Endpoint, offer: Option<String>) {
        if let Err(refusal) = self.call.negotiate(&endpoint, offer).await {
            self.tell(Event::Refused(refusal, js_sys::Math::random()));
        }
    }

    fn look(self: &Rc<Self>) {
        let looks = self.looks.get() + 1;
        self.looks.set(looks % LOOKS_PER_REPORT);
        if looks == LOOKS_PER_REPORT {
            spawn_local(Rc::clone(self).report());
            self.output.awake().wake();
        }
        self.follow_wishes();
        let state = self.call.peer.state();
        if matches!(state, RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed) {
            return self.tell_broken(Pause::Broken);
        }
        let connected = state == RtcPeerConnectionState::Connected;
        let reading = Reading {
            now_millis: js_sys::Date::now(),
            connected,
            running: self.output.awake().is_running(),
            packets: self.packets.get(),
            peak: self.output.gauge().peak(),
            source_stopped: self.ties.wishes.stopped.get(),
        };
        if connected {
            self.tell(Event::Connected);
        }
        let finding = self.watch.borrow_mut().read(reading);
        match finding {
            Some(Finding::Sound) => self.tell(Event::Sound),
            Some(Finding::Quiet(quiet)) => self.tell(Event::Quiet(quiet)),
            Some(Finding::Blocked) => self.tell(Event::Failed(Failure::Blocked)),
            Some(Finding::NeverConnected) => self.tell_broken(Pause::Broken),
            Some(Finding::Ask) => spawn_local(Rc::clone(self).ask()),
            None => {}
        }
    }

    fn follow_wishes(self: &Rc<Self>) {
        let wishes = &self.ties.wishes;
        let robust = wishes.robust.get();
        if self.robust.replace(robust) != robust {
            self.call.peer.hold_packets(if robust { ROBUST_MILLIS } else { 0.0 });
        }
        if self.call.stands() && wishes.doubted.take() {
            spawn_local(Rc::clone(self).ask());
        }
    }

    async fn report(self: Rc<Self>) {
        let Some(snapshot) = self.call.peer.snapshot().await else { return };
        self.packets.set(snapshot.packets as u64);
        let report = self.window.borrow_mut().push(snapshot, self.output.latency_secs());
        if !self.call.is_closed() {
            self.ties.on_report.emit(report);
        }
    }

    async fn ask(self: Rc<Self>) {
        if let Some(event) = self.call.ask().await {
            self.tell(event);
        }
    }

    fn tell_broken(&self, pause: Pause) {
        self.tell(Event::Broken(pause, js_sys::Math::random()));
    }

    fn tell(&self, event: Event) {
        if !self.call.is_closed() {
            self.ties.on_event.emit(event);
        }
    }
}
