use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use soundport_api::{Relay, SourceState};
use yew::{AttrValue, Callback, Reducible};

use super::Desk;
use super::climb::{Climb, Climber, Line};
use super::talker::TalkView;
use crate::rtc::{self, Gauge, Output, Report, Session, Ties, Wishes};
use crate::state::{Event, Failure, Leg, Listening, Phase, Way};
use crate::store::{self, Settings};

/// What the next *Listen* needs is made ready this soon after the last sound stopped.
const PREPARE_AFTER_STOP_MILLIS: u32 = 50;

/// And this soon after another one began, so as not to hold it up.
const PREPARE_AFTER_LISTEN_MILLIS: u32 = 1_500;

/// One source's listening: does what [`Listening`] says should be done.
pub(super) struct Player {
    pub(super) id: AttrValue,
    desk: Weak<Desk>,
    state: RefCell<Rc<Listening>>,
    settings: Cell<Settings>,
    output: RefCell<Option<Rc<Output>>>,
    climb: Rc<Climb>,
    report: RefCell<Option<Report>>,
    wishes: Rc<Wishes>,
    instance: RefCell<Option<String>>,
    live: Cell<bool>,
    /// What its card asks for.
    pub(super) act: Callback<Act>,
}

/// What the user does with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Listens. Say so inside the user's click.
    Listen,
    /// Stops listening.
    Stop,
    /// Sets how it is heard.
    Set(Settings),
    /// Silences the others, or lets them be heard again.
    Solo,
    /// Ends the talking.
    EndTalk,
    /// Leaves the microphone as it is (true), or makes it fit for a voice.
    Raw(bool),
    /// Takes the microphone of this place in the list; none for what the browser takes by itself.
    Device(Option<usize>),
}

/// What a card shows of its source's listening.
#[derive(Clone, PartialEq, Default)]
pub struct View {
    /// Where it stands.
    pub phase: Phase,
    /// Whether there is something to stop.
    pub on: bool,
    /// How it is heard.
    pub settings: Settings,
    /// Whether another one's solo silences it.
    pub hushed: bool,
    /// Whether it silences the others.
    pub solo: bool,
    /// What measures its level, while listening.
    pub gauge: Option<OpenGauge>,
    /// The last figures, while listening.
    pub report: Option<Report>,
    /// The way that its sound takes, while there is one.
    pub way: Option<Way>,
    /// Why WebRTC does not get through, and what to do, where it does not.
    pub hint: Option<AttrValue>,
    /// The relay's name for the session that hears it.
    pub session: Option<AttrValue>,
    /// How its talking stands.
    pub talk: TalkView,
}

/// Something that measures, equal only to itself.
#[derive(Clone)]
pub struct OpenGauge(pub Rc<Gauge>);

impl PartialEq for OpenGauge {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Player {
    pub(super) fn new(id: &str, desk: Weak<Desk>) -> Rc<Self> {
        Rc::new_cyclic(|own: &Weak<Self>| {
            let climb = Climb::new(own.clone());
            let own = own.clone();
            let act = Callback::from(move |act| {
                if let Some(own) = own.upgrade() {
                    own.act(act);
                }
            });
            Self {
                id: id.to_owned().into(),
                desk,
                state: RefCell::default(),
                settings: Cell::new(Settings::remembered(id)),
                output: RefCell::default(),
                climb,
                report: RefCell::default(),
                wishes: Rc::default(),
                instance: RefCell::default(),
                live: Cell::new(false),
                act,
            }
        })
    }

    /// What its card shows, but for what depends on others.
    pub(super) fn view(&self) -> View {
        let state = self.state.borrow();
        View {
            phase: state.phase.clone(),
            on: state.is_on(),
            settings: self.settings.get(),
            gauge: self.output.borrow().as_ref().map(|output| OpenGauge(Rc::clone(output.gauge()))),
            report: self.report.borrow().clone(),
            way: self.climb.way(),
            session: self.session().map(AttrValue::from),
            ..View::default()
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.state.borrow().is_on()
    }

    /// Whether sound comes out, where no other one's solo silences it.
    pub(super) fn is_heard(&self) -> bool {
        self.state.borrow().phase == Phase::Listening && self.settings.get().gain() > 0.0
    }

    /// Why WebRTC does not get through, and what to do, where it does not.
    pub(super) fn hint(&self, relay: Option<&Relay>, host: &str) -> Option<AttrValue> {
        let is_deaf = self.state.borrow().phase == Phase::Failed(Failure::NoMedia);
        let hint = || self.climb.hint(relay, host).map(AttrValue::from);
        (is_deaf || self.climb.way() == Some(Way::Stream)).then(hint).flatten()
    }

    /// Listens, unless it does. Call it inside the user's click where the browser wants one.
    pub(super) fn listen(self: &Rc<Self>) {
        if self.is_on() {
            return;
        }
        store::remember_playing(&self.id, true);
        let opened = Output::open(0.0);
        let failure = opened.as_ref().err().cloned();
        self.output.replace(opened.ok().map(Rc::new));
        self.tell(Event::Listen);
        if let Some(failure) = failure {
            self.tell(Event::Failed(failure));
        }
    }

    /// Stops, because the user says so.
    pub(super) fn stop(self: &Rc<Self>) {
        store::remember_playing(&self.id, false);
        self.tell(Event::Stop);
    }

    /// Stops because the page goes away: what is loaded again goes on.
    pub(super) fn leave(self: &Rc<Self>) {
        self.tell(Event::Stop);
    }

    /// Takes what the relay says of the source, none while it does not answer, and which run of the relay says so.
    pub(super) fn meet(self: &Rc<Self>, said: Option<SourceState>, instance: Option<&String>) {
        self.wishes.stopped.set(said.is_some_and(|said| said != SourceState::Live));
        if self.instance.borrow().as_ref() != instance {
            self.instance.replace(instance.cloned());
            self.wishes.doubted.set(true);
        }
        let live = said == Some(SourceState::Live);
        if !self.live.replace(live) && live {
            self.tell(Event::RelayAnswers);
        }
    }

    /// The name of the session that hears it.
    pub(super) fn session(&self) -> Option<String> {
        self.climb.name()
    }

    /// The way to the loudspeaker, while listening.
    pub(super) fn output(&self) -> Option<Rc<Output>> {
        self.output.borrow().clone()
    }

    /// Lets it be heard as it is set, or not at all.
    pub(super) fn set_gain(&self, hushed: bool) {
        if let Some(output) = &*self.output.borrow() {
            output.set_gain(if hushed { 0.0 } else { self.settings.get().gain() });
        }
    }

    fn act(self: &Rc<Self>, act: Act) {
        match act {
            Act::Listen => self.listen(),
            Act::Stop => self.stop(),
            Act::Set(settings) => {
                settings.remember(&self.id);
                self.wishes.robust.set(settings.robust);
                self.settings.set(settings);
                self.changed();
            }
            Act::Solo | Act::EndTalk | Act::Raw(_) | Act::Device(_) => {
                if let Some(desk) = self.desk.upgrade() {
                    desk.act(&self.id, act);
                }
            }
        }
    }

    /// Takes an event, and does what follows from it.
    fn tell(self: &Rc<Self>, event: Event) {
        let before = Rc::clone(&self.state.borrow());
        let after = Rc::clone(&before).reduce(event);
        if Rc::ptr_eq(&before, &after) {
            return;
        }
        self.state.replace(Rc::clone(&after));
        if after.attempt != before.attempt {
            self.report.take();
            self.climb.begin(after.attempt);
        }
        if !self.is_on() {
            self.output.take();
            self.report.take();
        }
        if after.is_on() != before.is_on() {
            let after_millis =
                if after.is_on() { PREPARE_AFTER_LISTEN_MILLIS } else { PREPARE_AFTER_STOP_MILLIS };
            Timeout::new(after_millis, rtc::prepare).forget();
        }
        self.changed();
    }

    fn changed(&self) {
        if let Some(desk) = self.desk.upgrade() {
            desk.changed();
        }
    }
}

impl Climber for Player {
    fn open(self: Rc<Self>, leg: &Leg, used: bool) -> Result<Box<dyn Line>, Failure> {
        let output = self.output.borrow().clone().ok_or(Failure::NoWebRtc)?;
        self.wishes.robust.set(self.settings.get().robust);
        let (hears, reports, number) = (Rc::downgrade(&self), Rc::downgrade(&self), leg.number);
        let ties = Ties {
            on_event: Callback::from(move |event| {
                if let Some(own) = hears.upgrade() {
                    own.climb.hear(number, event);
                }
            }),
            on_report: Callback::from(move |report| {
                if let Some(own) = reports.upgrade().filter(|own| own.climb.uses(number)) {
                    own.report.replace(Some(report));
                    own.changed();
                }
            }),
            wishes: Rc::clone(&self.wishes),
        };
        let endpoint = self.desk.upgrade().and_then(|desk| desk.endpoint("whep", &self.id, None));
        let session = Session::open(leg, used, endpoint.ok_or(Failure::NoRelay)?, &output, ties)?;
        Ok(Box::new(session))
    }

    fn pass(self: Rc<Self>, event: Event) {
        self.tell(event);
    }

    fn blocked(&self) -> Rc<Cell<bool>> {
        self.desk.upgrade().map(|desk| desk.blocked()).unwrap_or_default()
    }

    fn is_still(&self) -> bool {
        self.wishes.stopped.get()
    }

    fn sounds(&self) -> bool {
        true
    }

    fn moved(self: Rc<Self>) {
        self.changed();
    }
}
