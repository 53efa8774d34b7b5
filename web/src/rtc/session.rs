use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Interval;
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

use super::call::{Call, Endpoint};
use super::output::{Inlet, Output};
use super::spare::{self, Offered};
use super::stats::{Report, Window};
use super::stream::Stream;
use super::wire::{Standing, Wire};
use crate::state::{Event, Failure, Finding, Leg, Reading, Watch};

/// How often a session is looked at: sound must be seen soon after it is heard.
const LOOK_EVERY_MILLIS: u32 = 50;

/// How long packets wait where a steady sound is worth it: longer than most stalls of a wireless network.
const ROBUST_MILLIS: f64 = 200.0;

/// Looks from one reading of the counters to the next: one second, where nothing is heard half a second, and a fifth until packets flow.
const LOOKS_PER_REPORT: u32 = 20;
const LOOKS_PER_REPORT_OF_SILENCE: u32 = 10;
const LOOKS_PER_REPORT_AT_FIRST: u32 = 4;

/// Packets flow when so many have come: fewer may be all that get through.
const FLOWING_PACKETS: u64 = 10;

/// One session that hears a source, by WebRTC or by a stream. Dropping it ends it at both ends.
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
    wire: Wire,
    inlet: Inlet,
    ties: Ties,
    watch: RefCell<Watch>,
    window: RefCell<Window>,
    packets: Cell<u64>,
    looks: Cell<u32>,
    robust: Cell<bool>,
    heard: Cell<bool>,
    closed: Cell<bool>,
}

impl Session {
    /// Asks the relay for a session, which is heard through `output` at once where it is to be used.
    ///
    /// # Errors
    /// When this browser cannot receive.
    pub fn open(
        leg: &Leg,
        used: bool,
        endpoint: Endpoint,
        output: &Rc<Output>,
        ties: Ties,
    ) -> Result<Self, Failure> {
        let inlet = output.inlet(used).map_err(|_| Failure::NoWebRtc)?;
        let (wire, offer) = match leg.stream {
            true => (Wire::Stream(hear_stream(&endpoint, &inlet)), None),
            false => {
                let Offered { peer, offer } = spare::take(used).map_err(|_| Failure::NoWebRtc)?;
                inlet.attach(&peer.track()).map_err(|_| Failure::NoWebRtc)?;
                (Wire::Call(Call::new(peer, leg.better_than)), offer)
            }
        };
        let inner = Rc::new(Inner {
            wire,
            inlet,
            ties,
            watch: RefCell::new(Watch::new(js_sys::Date::now())),
            window: RefCell::default(),
            packets: Cell::new(0),
            looks: Cell::new(0),
            robust: Cell::new(false),
            heard: Cell::new(used),
            closed: Cell::new(false),
        });
        if let Wire::Call(call) = &inner.wire {
            spawn_local(Rc::clone(&inner).connect(Rc::clone(call), endpoint, offer));
        }
        let looking = Rc::clone(&inner);
        let looking = Interval::new(LOOK_EVERY_MILLIS, move || looking.look());
        Ok(Self { inner, _looking: looking })
    }

    /// The name that the relay gave the session.
    pub fn name(&self) -> Option<String> {
        self.inner.wire.name()
    }

    /// Lets it be heard, or not.
    pub fn set_heard(&self, heard: bool) {
        if self.inner.heard.replace(heard) != heard {
            self.inner.inlet.set_heard(heard);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.inner.closed.set(true);
        // What waits for the relay's answer keeps the rest for a while.
        self.inner.inlet.close();
        self.inner.wire.close();
    }
}

impl Inner {
    async fn connect(self: Rc<Self>, call: Rc<Call>, endpoint: Endpoint, offer: Option<String>) {
        self.tell(match call.negotiate(&endpoint, offer).await {
            Ok(answered) => answered.event,
            Err(refusal) => Event::Refused(refusal, js_sys::Math::random()),
        });
    }

    fn look(self: &Rc<Self>) {
        let standing = self.wire.standing();
        let connected = standing == Standing::Connected;
        if connected {
            self.tell(Event::Connected);
            self.follow_wishes();
        } else if let Some(end) = standing.end() {
            return self.tell(end);
        }
        let output = self.inlet.output();
        let peak = output.gauge().peak();
        self.count(connected, peak);
        if self.wire.stands() && self.ties.wishes.doubted.take() {
            spawn_local(Rc::clone(self).ask(false));
        }
        let reading = Reading {
            now_millis: js_sys::Date::now(),
            connected,
            running: output.awake().is_running(),
            packets: self.packets.get(),
            peak,
            source_stopped: self.ties.wishes.stopped.get(),
        };
        let finding = self.watch.borrow_mut().read(reading);
        match finding {
            Some(Finding::Sound) => self.tell(Event::Sound),
            Some(Finding::Quiet(quiet)) => self.tell(Event::Quiet(quiet)),
            Some(Finding::Blocked) => self.tell(Event::Failed(Failure::Blocked)),
            Some(Finding::NeverConnected) => self.tell(Event::broken(js_sys::Math::random())),
            Some(Finding::Ask) if self.heard.get() => {
                spawn_local(Rc::clone(self).ask(!reading.source_stopped))
            }
            Some(Finding::Ask) | None => {}
        }
    }

    /// Reads the counters, when it is time.
    fn count(self: &Rc<Self>, connected: bool, peak: f32) {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        let every = match peak {
            _ if self.packets.get() < FLOWING_PACKETS => LOOKS_PER_REPORT_AT_FIRST,
            0.0 => LOOKS_PER_REPORT_OF_SILENCE,
            _ => LOOKS_PER_REPORT,
        };
        if connected && looks >= every {
            self.looks.set(0);
            spawn_local(Rc::clone(self).report());
            self.inlet.output().awake().wake();
        }
    }

    fn follow_wishes(&self) {
        let robust = self.ties.wishes.robust.get();
        if self.robust.replace(robust) != robust {
            self.wire.hold_packets(if robust { ROBUST_MILLIS } else { 0.0 });
        }
    }

    async fn report(self: Rc<Self>) {
        let Some(snapshot) = self.wire.snapshot().await else { return };
        let packets = snapshot.packets as u64;
        let flows = self.packets.replace(packets) < packets && packets >= FLOWING_PACKETS;
        self.tell(Event::Seen { way: snapshot.way, flows });
        let report = self.window.borrow_mut().push(snapshot, self.inlet.output().latency_secs());
        if !self.closed.get() {
            self.ties.on_report.emit(report);
        }
    }

    /// Asks the relay whether the session still stands; where it does and something `should` come, that is odd.
    async fn ask(self: Rc<Self>, should: bool) {
        match self.wire.ask().await {
            // Sound that comes needs no answer.
            Some(Event::Unanswered) if !should && self.inlet.output().gauge().peak() > 0.0 => {}
            Some(event) => self.tell(event),
            None if should && matches!(self.wire, Wire::Call(_)) => self.tell(Event::Stalled),
            None => {}
        }
    }

    fn tell(&self, event: Event) {
        if !self.closed.get() {
            self.ties.on_event.emit(event);
        }
    }
}

fn hear_stream(endpoint: &Endpoint, inlet: &Inlet) -> Rc<Stream> {
    let (base, source) = (endpoint.base.clone(), endpoint.source.clone());
    let into = inlet.node().clone();
    Stream::open(move |streams| streams.listen(&base, &source, &into))
}
