use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::{Interval, Timeout};

use soundport_api::Relay;

use crate::rtc::{self, Microphone, Session, TalkSession};
use crate::state::{Attempt, Event, Failure, Ladder, Leg, Means, Way};

/// How often the clock is looked at.
const LOOK_EVERY_MILLIS: u32 = 100;

/// A session that gives way fades out before it ends.
const FADED_AFTER_MILLIS: u32 = 150;

/// The sessions of an attempt: does what [`Ladder`] says should be done.
pub(super) struct Climb {
    own: Weak<Self>,
    climber: Weak<dyn Climber>,
    ladder: RefCell<Ladder>,
    lines: RefCell<Vec<(u32, Box<dyn Line>)>>,
    waiting: Cell<Option<Timeout>>,
    looking: Cell<Option<Interval>>,
    /// What the relay answered last.
    answer: RefCell<Rc<str>>,
    /// Why this browser cannot take a stream.
    unable: RefCell<Option<String>>,
}

/// Whose sessions they are.
pub(super) trait Climber {
    /// Opens a session. What happens to it is to be told to [`Climb::hear`].
    fn open(self: Rc<Self>, leg: &Leg, used: bool) -> Result<Box<dyn Line>, Failure>;
    /// Takes what happened to the session that is used.
    fn pass(self: Rc<Self>, event: Event);
    /// Whether WebRTC led nowhere, on this page: the page's memory.
    fn blocked(&self) -> Rc<Cell<bool>>;
    /// Whether no packet can be waited for, since the source has stopped.
    fn is_still(&self) -> bool;
    /// Whether the session that is used is to sound.
    fn sounds(&self) -> bool;
    /// Another session is used, or another way.
    fn moved(self: Rc<Self>);
}

/// A session.
pub(super) trait Line {
    /// Lets it sound, or not.
    fn set_on(&self, on: bool);
    /// The name that the relay gave it.
    fn name(&self) -> Option<String>;
    /// Sends what another microphone hears.
    fn hear(&self, microphone: &Microphone);
}

impl Climb {
    pub(super) fn new(climber: Weak<dyn Climber>) -> Rc<Self> {
        Rc::new_cyclic(|own| Self {
            own: own.clone(),
            climber,
            ladder: RefCell::default(),
            lines: RefCell::default(),
            waiting: Cell::default(),
            looking: Cell::default(),
            answer: RefCell::new("".into()),
            unable: RefCell::default(),
        })
    }

    /// Ends every session, and begins an attempt when it is time.
    pub(super) fn begin(&self, attempt: Option<Attempt>) {
        self.waiting.take();
        self.looking.take();
        self.ladder.borrow_mut().end();
        drop(self.lines.take());
        match attempt.map(|attempt| attempt.delay_millis) {
            None => {}
            Some(0) => self.start(),
            Some(millis) => {
                let own = self.own.clone();
                self.waiting.set(Some(Timeout::new(millis, move || {
                    if let Some(own) = own.upgrade() {
                        own.start();
                    }
                })));
            }
        }
    }

    fn start(&self) {
        let Some(climber) = self.climber.upgrade() else { return };
        let means = Means {
            webrtc: rtc::abilities().webrtc,
            stream: self.unable.borrow().is_none(),
            blocked: climber.blocked().get(),
        };
        self.ladder.borrow_mut().begin(means, js_sys::Date::now());
        let own = self.own.clone();
        self.looking.set(Some(Interval::new(LOOK_EVERY_MILLIS, move || {
            if let Some(own) = own.upgrade() {
                own.look();
            }
        })));
        self.follow();
        climber.pass(Event::Begun);
    }

    /// Takes what happened to the session of this number.
    pub(super) fn hear(&self, number: u32, event: Event) {
        match &event {
            Event::Answered { answer, .. } => drop(self.answer.replace(Rc::clone(answer))),
            Event::Unable(words) => drop(self.unable.replace(Some(words.clone()))),
            _ => {}
        }
        let now = js_sys::Date::now();
        let passes = self.change(|ladder| ladder.take(number, &event, now));
        if let Some(climber) = self.climber.upgrade().filter(|_| passes) {
            climber.pass(event);
        }
    }

    /// Has the session that is used give way to another of its kind.
    pub(super) fn renew(&self) {
        self.change(|ladder| ladder.renew(js_sys::Date::now()));
    }

    /// Whether there is a session.
    pub(super) fn is_open(&self) -> bool {
        !self.lines.borrow().is_empty()
    }

    /// Whether it is the session of this number that is used.
    pub(super) fn uses(&self, number: u32) -> bool {
        self.ladder.borrow().uses(number)
    }

    /// Whether the session of this number is used or tried.
    pub(super) fn has(&self, number: u32) -> bool {
        self.ladder.borrow().legs().iter().flatten().any(|leg| leg.number == number)
    }

    /// The way of what is used, while it is connected.
    pub(super) fn way(&self) -> Option<Way> {
        self.ladder.borrow().way()
    }

    /// Why WebRTC does not get through, and what to do.
    pub(super) fn hint(&self, relay: Option<&Relay>, host: &str) -> Option<String> {
        let turn_only = self.ladder.borrow().turn_only();
        rtc::media_hint(&self.answer.borrow(), turn_only, relay, host, self.unable.borrow().as_deref())
    }

    /// The name of the session that is used.
    pub(super) fn name(&self) -> Option<String> {
        let lines = self.lines.borrow();
        lines.iter().find(|(number, _)| self.uses(*number))?.1.name()
    }

    /// Lets what is used sound, where it should.
    pub(super) fn set_on(&self) {
        let on = self.climber.upgrade().is_some_and(|climber| climber.sounds());
        for (number, line) in &*self.lines.borrow() {
            line.set_on(on && self.uses(*number));
        }
    }

    /// Sends what another microphone hears.
    pub(super) fn hear_through(&self, microphone: &Microphone) {
        self.lines.borrow().iter().for_each(|(_, line)| line.hear(microphone));
    }

    fn look(&self) {
        let still = self.climber.upgrade().is_some_and(|climber| climber.is_still());
        self.change(|ladder| ladder.look(still, js_sys::Date::now()));
    }

    /// Changes the ladder, and what is there with it.
    fn change<T>(&self, change: impl FnOnce(&mut Ladder) -> T) -> T {
        let stand = |ladder: &Ladder| (ladder.legs().map(|leg| leg.map(|leg| leg.number)), ladder.way());
        let before = stand(&self.ladder.borrow());
        let told = change(&mut self.ladder.borrow_mut());
        let after = stand(&self.ladder.borrow());
        if before != after {
            self.follow();
            if let Some(climber) = self.climber.upgrade() {
                if let Some(way) = after.1 {
                    climber.blocked().set(way == Way::Stream);
                }
                climber.moved();
            }
        }
        told
    }

    fn follow(&self) {
        let (Some(climber), [used, tried]) = (self.climber.upgrade(), self.ladder.borrow().legs()) else {
            return;
        };
        let is_wanted = |number: u32| [used, tried].iter().flatten().any(|leg| leg.number == number);
        let (kept, gone) = self.lines.take().into_iter().partition(|(number, _)| is_wanted(*number));
        self.lines.replace(kept);
        for (leg, is_used) in [(used, true), (tried, false)] {
            let Some(leg) =
                leg.filter(|leg| self.lines.borrow().iter().all(|(number, _)| *number != leg.number))
            else {
                continue;
            };
            match Rc::clone(&climber).open(&leg, is_used) {
                Ok(line) => self.lines.borrow_mut().push((leg.number, line)),
                Err(failure) => return self.hear(leg.number, Event::Failed(failure)),
            }
        }
        self.set_on();
        fade(gone);
    }
}

/// Ends sessions when they have faded out.
fn fade(gone: Vec<(u32, Box<dyn Line>)>) {
    gone.iter().for_each(|(_, line)| line.set_on(false));
    if !gone.is_empty() {
        Timeout::new(FADED_AFTER_MILLIS, move || drop(gone)).forget();
    }
}

impl Line for Session {
    fn set_on(&self, on: bool) {
        self.set_heard(on);
    }

    fn name(&self) -> Option<String> {
        self.name()
    }

    /// It sends nothing.
    fn hear(&self, _: &Microphone) {}
}

impl Line for TalkSession {
    fn set_on(&self, on: bool) {
        self.set_live(on);
    }

    /// Nobody asks for it.
    fn name(&self) -> Option<String> {
        None
    }

    fn hear(&self, microphone: &Microphone) {
        self.hear(microphone);
    }
}
