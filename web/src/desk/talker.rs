use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Interval;
use soundport_api::{Source, SourceState};
use wasm_bindgen_futures::spawn_local;
use yew::{AttrValue, Callback, Reducible};

use super::Desk;
use super::climb::{Climb, Climber, Line};
use super::player::OpenGauge;
use crate::rtc::{Microphone, Output, TalkSession, TalkTies};
use crate::state::{Event, Failure, Leg, Refusal, RoundTrip, Sample, Standing, TalkEvent, Talking, Way};
use crate::store::{Choice, Device};

/// The source that says back what it hears.
const ECHO: &str = "echo";

/// How often both ways are listened to, to tell how long the echo takes.
const SAMPLE_EVERY_MILLIS: u32 = 8;

/// One source's talking: does what [`Talking`] says should be done.
pub(super) struct Talker {
    pub(super) id: AttrValue,
    desk: Weak<Desk>,
    state: RefCell<Rc<Talking>>,
    microphone: RefCell<Option<Rc<Microphone>>>,
    climb: Rc<Climb>,
    /// By which numbers the relay tells of this page's talkers, each behind its session's: one is used, and another may be tried.
    numbers: RefCell<Vec<(u32, u32)>>,
    /// The listening session that was named to the relay, so that it does not hear this talker.
    with: RefCell<Option<String>>,
    /// The one that the relay did not know.
    unknown: RefCell<Option<String>>,
    doubted: Rc<Cell<bool>>,
    /// What the relay said last of the source.
    said: Cell<Option<SourceState>>,
    instance: RefCell<Option<String>>,
    measuring: RefCell<Option<Interval>>,
    round_trip: RefCell<RoundTrip>,
}

/// What a card shows of its source's talking.
#[derive(Clone, PartialEq, Default)]
pub struct TalkView {
    /// Where it stands.
    pub talking: Rc<Talking>,
    /// What measures the microphone's level, while there is one.
    pub gauge: Option<OpenGauge>,
    /// Which microphone is used, or is to be.
    pub choice: Choice,
    /// The microphones that can be chosen.
    pub devices: Rc<[Device]>,
    /// By which numbers the relay tells of this page's talkers.
    pub numbers: Vec<u32>,
    /// The way that the voice takes, while there is one.
    pub way: Option<Way>,
    /// How long an echo took to come back, in milliseconds.
    pub round_trip_millis: Option<f64>,
}

impl Talker {
    pub(super) fn new(id: &str, desk: Weak<Desk>) -> Rc<Self> {
        Rc::new_cyclic(|own: &Weak<Self>| Self {
            id: id.to_owned().into(),
            desk,
            state: RefCell::default(),
            microphone: RefCell::default(),
            climb: Climb::new(own.clone()),
            numbers: RefCell::default(),
            with: RefCell::default(),
            unknown: RefCell::default(),
            doubted: Rc::default(),
            said: Cell::default(),
            instance: RefCell::default(),
            measuring: RefCell::default(),
            round_trip: RefCell::default(),
        })
    }

    /// What its card shows, but for what depends on the page's microphone.
    pub(super) fn view(&self) -> TalkView {
        let microphone = self.microphone.borrow();
        TalkView {
            talking: Rc::clone(&self.state.borrow()),
            gauge: microphone.as_ref().map(|microphone| OpenGauge(Rc::clone(microphone.gauge()))),
            numbers: self.numbers.borrow().iter().map(|(_, number)| *number).collect(),
            way: self.climb.way(),
            round_trip_millis: self.round_trip.borrow().last_millis(),
            ..TalkView::default()
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.state.borrow().is_on()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state.borrow().is_connected()
    }

    pub(super) fn is_live(&self) -> bool {
        self.state.borrow().is_live()
    }

    /// Whether it waits for the relay to say that what is said arrives.
    pub(super) fn waits(&self) -> bool {
        self.state.borrow().standing() == Standing::Opening
    }

    pub(super) fn microphone(&self) -> Option<Rc<Microphone>> {
        self.microphone.borrow().clone()
    }

    /// Takes what the relay says of the source, none while it does not answer, and which run of the relay says so; and the session by which
    /// this page listens to it.
    pub(super) fn meet(
        self: &Rc<Self>,
        said: Option<&Source>,
        instance: Option<&String>,
        heard: Option<String>,
    ) {
        let way = said.map(|source| source.talkback.as_ref().map(|talkback| talkback.state));
        if self.instance.borrow().as_ref() != instance || (way.is_none() && self.is_connected()) {
            self.instance.replace(instance.cloned());
            self.doubted.set(true);
        }
        self.tell(TalkEvent::Way(way.flatten()));
        let state = said.map(|source| source.state);
        if self.said.replace(state) != state && state.is_some() {
            self.tell(TalkEvent::Line(Event::RelayAnswers));
        }
        if heard.is_some() && self.climb.is_open() && *self.with.borrow() != heard {
            // Known from now on, also while the next session waits: else it would begin anew for ever.
            self.with.replace(heard);
            match self.is_connected() {
                true => self.climb.renew(),
                false => self.tell(TalkEvent::Line(Event::Forgotten(0.0))),
            }
        }
    }

    /// Talks into another microphone, or into the same that hears otherwise.
    pub(super) fn hear(self: &Rc<Self>, microphone: Rc<Microphone>) {
        let before = self.microphone.replace(Some(Rc::clone(&microphone)));
        let was_raw = before.is_some_and(|before| before.choice().raw);
        if was_raw != microphone.choice().raw {
            // Whether it is stereo is agreed on when a session begins.
            return self.tell(TalkEvent::Line(Event::Forgotten(0.0)));
        }
        self.climb.hear_through(&microphone);
        self.climb.set_on();
    }

    /// Takes an event, and does what follows from it.
    pub(super) fn tell(self: &Rc<Self>, event: TalkEvent) {
        let before = Rc::clone(&self.state.borrow());
        let after = Rc::clone(&before).reduce(event);
        if Rc::ptr_eq(&before, &after) {
            return;
        }
        self.state.replace(Rc::clone(&after));
        if after.asks() && !before.asks() {
            self.ask();
        }
        if after.attempt() != before.attempt() {
            self.numbers.take();
            self.climb.begin(after.attempt());
        }
        if !self.is_on() {
            self.microphone.take();
            self.round_trip.take();
        }
        self.climb.set_on();
        self.changed();
    }

    fn changed(&self) {
        if let Some(desk) = self.desk.upgrade() {
            desk.changed();
        }
    }

    fn ask(self: &Rc<Self>) {
        let Some(desk) = self.desk.upgrade() else { return };
        let own = Rc::clone(self);
        spawn_local(async move {
            let given = desk.booth().microphone().await;
            // Whoever has left meanwhile wants none.
            if !own.state.borrow().asks() {
                return;
            }
            match given {
                Ok(microphone) => {
                    own.microphone.replace(Some(microphone));
                    own.tell(TalkEvent::Granted);
                }
                Err(trouble) => own.tell(TalkEvent::Stopped(trouble)),
            }
        });
    }

    /// A relay that restarted knows the listening session no more than this one: the next attempt does not name it.
    fn without_unknown(&self, event: Event) -> Event {
        match event {
            Event::Refused(Refusal::Status { code: 422, .. }, jitter)
                if *self.unknown.borrow() != *self.with.borrow() =>
            {
                self.unknown.replace(self.with.borrow().clone());
                Event::Forgotten(jitter)
            }
            event => event,
        }
    }

    /// Measures how long an echo takes, while it is listened to through this.
    pub(super) fn measure(self: &Rc<Self>, output: Option<Rc<Output>>) {
        let measures = self.id == ECHO && self.is_connected() && output.is_some();
        if measures == self.measuring.borrow().is_some() {
            return;
        }
        let own = Rc::downgrade(self);
        let sampling = output.filter(|_| measures).map(|output| {
            Interval::new(SAMPLE_EVERY_MILLIS, move || {
                if let Some(own) = own.upgrade() {
                    own.sample(&output);
                }
            })
        });
        self.measuring.replace(sampling);
    }

    fn sample(&self, output: &Output) {
        let Some(microphone) = self.microphone() else { return };
        let sample = Sample {
            now_millis: js_sys::Date::now(),
            said: if self.is_live() { microphone.gauge().peak_now() } else { 0.0 },
            heard: output.gauge().peak_now(),
        };
        let latency_secs = output.latency_secs().unwrap_or(0.0);
        if self.round_trip.borrow_mut().take(sample, latency_secs * 1_000.0) {
            self.changed();
        }
    }
}

impl Climber for Talker {
    fn open(self: Rc<Self>, leg: &Leg, _: bool) -> Result<Box<dyn Line>, Failure> {
        let microphone = self.microphone().ok_or(Failure::NoWebRtc)?;
        let (hears, knows, leg_number) = (Rc::downgrade(&self), Rc::downgrade(&self), leg.number);
        let ties = TalkTies {
            on_event: Callback::from(move |event| {
                if let Some(own) = hears.upgrade() {
                    own.climb.hear(leg_number, own.without_unknown(event));
                }
            }),
            on_number: Callback::from(move |number| {
                if let Some(own) = knows.upgrade() {
                    // The relay may tell of one that ends a moment longer.
                    own.numbers.borrow_mut().retain(|(leg, _)| own.climb.has(*leg));
                    own.numbers.borrow_mut().push((leg_number, number));
                    own.changed();
                }
            }),
            doubted: Rc::clone(&self.doubted),
        };
        let desk = self.desk.upgrade().ok_or(Failure::NoRelay)?;
        self.doubted.set(false);
        let heard = desk.player(&self.id).session();
        let known = heard.clone().filter(|_| *self.unknown.borrow() != heard);
        self.with.replace(heard);
        let endpoint = desk.endpoint("whip", &self.id, known).ok_or(Failure::NoRelay)?;
        Ok(Box::new(TalkSession::open(leg, endpoint, &microphone, ties)?))
    }

    fn pass(self: Rc<Self>, event: Event) {
        self.tell(TalkEvent::Line(event));
    }

    fn blocked(&self) -> Rc<Cell<bool>> {
        self.desk.upgrade().map(|desk| desk.blocked()).unwrap_or_default()
    }

    /// A talker always sends.
    fn is_still(&self) -> bool {
        false
    }

    fn sounds(&self) -> bool {
        self.is_live()
    }

    fn moved(self: Rc<Self>) {
        // A session that connected while it was tried told nobody of it; a talker's carries sound as soon as it stands.
        if self.climb.way().is_some() {
            self.tell(TalkEvent::Line(Event::Connected));
            self.tell(TalkEvent::Line(Event::Sound));
        }
        self.changed();
    }
}
