use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_events::EventListener;
use gloo_timers::callback::{Interval, Timeout};
use wasm_bindgen_futures::spawn_local;
use web_sys::VisibilityState;

use super::level_board::Levels;
use crate::relay::{self, Base, ListError, Slot, Stream, Told};
use crate::state::{Link, News, backoff_millis};

/// How often the list is read where there is no stream of events.
const READ_EVERY_MILLIS: u32 = 2_000;

/// How often it is read while somebody waits to be heard.
const HURRIED_EVERY_MILLIS: u32 = 200;

/// How often it is looked whether the stream still lives.
const LOOK_EVERY_MILLIS: u32 = 1_000;

/// The relay says something at least every ten seconds: a stream that is silent for so long is dead.
const DEAD_AFTER_MILLIS: f64 = 25_000.0;

/// A relay that has not begun the stream by now does not answer.
const BEGINS_WITHIN_MILLIS: f64 = 4_000.0;

/// Follows what the relay tells while the page is seen: by its stream of events, or else by reading the list.
pub(super) struct Feed {
    base: Base,
    own: Weak<Self>,
    news: Box<dyn Fn(News)>,
    levels: Box<dyn Fn(Levels)>,
    /// The ids of the sources whose levels are shown, joined by commas.
    wanted: RefCell<String>,
    /// The stream that is read.
    current: RefCell<Option<Open>>,
    /// The stream that takes its place when it begins.
    coming: RefCell<Option<Open>>,
    slot: RefCell<Option<Slot>>,
    again: RefCell<Option<Timeout>>,
    asking: Cell<bool>,
    hurried: Cell<bool>,
    told_at: Cell<f64>,
    tries: Cell<u32>,
    number: Cell<u32>,
}

/// A stream with the number by which its tales are known.
struct Open {
    number: u32,
    _stream: Stream,
}

/// Keeps the feed awake, until dropped.
pub(super) struct Following {
    feed: Rc<Feed>,
    _looking: Interval,
    _listeners: Vec<EventListener>,
}

impl Feed {
    /// Begins to follow.
    pub(super) fn follow(
        base: Base,
        news: impl Fn(News) + 'static,
        levels: impl Fn(Levels) + 'static,
    ) -> Following {
        let feed = Rc::new_cyclic(|own| Self {
            base,
            own: own.clone(),
            news: Box::new(news),
            levels: Box::new(levels),
            wanted: RefCell::default(),
            current: RefCell::default(),
            coming: RefCell::default(),
            slot: RefCell::default(),
            again: RefCell::default(),
            asking: Cell::new(false),
            hurried: Cell::new(false),
            told_at: Cell::new(0.0),
            tries: Cell::new(0),
            number: Cell::new(0),
        });
        feed.wake();
        let looking = Rc::clone(&feed);
        let looking = Interval::new(LOOK_EVERY_MILLIS, move || looking.look());
        let listeners = web_sys::window().map(|window| {
            let (seen, online) = (Rc::clone(&feed), Rc::clone(&feed));
            let document = window.document();
            let on_sight = document
                .map(|document| EventListener::new(&document, "visibilitychange", move |_| seen.wake()));
            let on_network = EventListener::new(&window, "online", move |_| online.renew());
            on_sight.into_iter().chain([on_network]).collect()
        });
        Following { feed, _looking: looking, _listeners: listeners.unwrap_or_default() }
    }

    /// Does what there is to do now: nothing while a stream stands, and while nobody sees the page.
    fn wake(&self) {
        if !is_seen() {
            return self.rest();
        }
        if self.asking.get() || self.current.borrow().is_some() || self.coming.borrow().is_some() {
            return;
        }
        let Some(own) = self.own.upgrade() else { return };
        self.again.take();
        self.asking.set(true);
        spawn_local(async move {
            let slot = Slot::take(&own.base).await;
            let has_slot = slot.is_some();
            own.slot.replace(slot);
            if !has_slot {
                own.read_list().await;
            }
            own.asking.set(false);
            // The page may have gone meanwhile, and only this holds it still.
            if Rc::strong_count(&own) > 1 && has_slot {
                own.open();
            }
        });
    }

    /// Lets go of everything.
    fn rest(&self) {
        self.current.take();
        self.coming.take();
        self.slot.take();
        self.again.take();
    }

    /// Opens a new stream at once, in place of the one that stands or of a wait.
    fn renew(&self) {
        self.tries.set(0);
        if self.current.borrow().is_some() { self.open() } else { self.wake() }
    }

    fn open(&self) {
        if !is_seen() {
            return self.rest();
        }
        let number = self.number.get().wrapping_add(1);
        self.number.set(number);
        if self.current.borrow().is_none() {
            self.told_at.set(js_sys::Date::now());
        }
        let wanted = self.wanted.borrow();
        let query = if wanted.is_empty() { String::new() } else { format!("?levels={wanted}") };
        let own = self.own.clone();
        let stream = self.base.join(&format!("api/events{query}")).and_then(|url| {
            Stream::open(url, move |told| {
                if let Some(own) = own.upgrade() {
                    own.hear(number, told);
                }
            })
        });
        self.coming.replace(stream.map(|stream| Open { number, _stream: stream }));
        if self.coming.borrow().is_none() && self.current.borrow().is_none() {
            self.end();
        }
    }

    fn hear(&self, number: u32, told: Told) {
        let is =
            |open: &RefCell<Option<Open>>| open.borrow().as_ref().is_some_and(|open| open.number == number);
        match told {
            Told::Refused | Told::Broken if is(&self.coming) => {
                self.coming.take();
                if self.current.borrow().is_none() {
                    self.give_way(told);
                }
            }
            Told::Refused | Told::Broken => {
                self.current.take();
                (self.levels)(vec![]);
                if self.coming.borrow().is_none() {
                    // One that stood is opened again before anything is said of it.
                    self.again_in(backoff_millis(0, js_sys::Math::random()));
                }
            }
            told => {
                self.told_at.set(js_sys::Date::now());
                if is(&self.coming) {
                    let begun = self.coming.take();
                    self.current.replace(begun);
                    self.tries.set(0);
                }
                self.pass_on(told);
            }
        }
    }

    fn pass_on(&self, told: Told) {
        (self.news)(match told {
            Told::Relay(relay) => News::Relay(relay),
            Told::Sources(sources) => News::Sources(sources),
            Told::Source(source) => News::Source(source),
            Told::Gone(id) => News::Gone(id),
            Told::Levels(levels) => return (self.levels)(levels),
            Told::Alive | Told::Refused | Told::Broken => return,
        });
    }

    /// No stream could be had.
    fn give_way(&self, told: Told) {
        match (told, self.own.upgrade()) {
            (Told::Refused, Some(own)) => {
                self.slot.take();
                self.asking.set(true);
                spawn_local(async move {
                    own.read_list().await;
                    own.asking.set(false);
                });
            }
            _ => self.end(),
        }
    }

    /// The relay does not answer, or not this page.
    fn end(&self) {
        self.slot.take();
        if let Some(own) = self.own.upgrade() {
            spawn_local(async move {
                let closed = relay::is_closed(&own.base).await;
                // The page may have gone meanwhile, or another stream begun.
                if own.current.borrow().is_none() {
                    (own.news)(News::Link(if closed { Link::Closed } else { Link::Down }));
                }
            });
        }
        let tries = self.tries.get();
        self.tries.set(tries.saturating_add(1));
        self.again_in(backoff_millis(tries, js_sys::Math::random()));
    }

    async fn read_list(&self) {
        (self.news)(match relay::sources(&self.base).await {
            Ok(sources) => News::Sources(sources),
            Err(ListError::Unreachable) => News::Link(Link::Down),
            Err(ListError::NotARelay) => News::Link(Link::Strange),
        });
        self.again_in(if self.hurried.get() { HURRIED_EVERY_MILLIS } else { READ_EVERY_MILLIS });
    }

    fn again_in(&self, millis: u32) {
        let own = self.own.clone();
        let again = Timeout::new(millis, move || {
            if let Some(own) = own.upgrade() {
                own.wake();
            }
        });
        self.again.replace(Some(again));
    }

    /// Ends a stream that has been silent for too long, also because the machine slept.
    fn look(&self) {
        let stands = self.current.borrow().is_some();
        let silent = js_sys::Date::now() - self.told_at.get();
        if stands && silent > DEAD_AFTER_MILLIS {
            self.rest();
            self.tries.set(0);
            self.wake();
        } else if !stands && silent > BEGINS_WITHIN_MILLIS && self.coming.take().is_some() {
            self.end();
        }
    }
}

impl Following {
    /// Asks for the levels of these sources, by their ids joined by commas.
    pub(super) fn want(&self, ids: String) {
        if self.feed.wanted.replace(ids.clone()) != ids && self.feed.current.borrow().is_some() {
            self.feed.open();
        }
    }
}

impl Following {
    /// Whether news are waited for: where there is no stream the list is read more often.
    pub(super) fn hurry(&self, hurried: bool) {
        let feed = &self.feed;
        let begins = !feed.hurried.replace(hurried) && hurried;
        if begins && feed.current.borrow().is_none() && !feed.asking.get() && is_seen() {
            feed.again_in(HURRIED_EVERY_MILLIS);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.feed.rest();
    }
}

/// Whether the tab is seen, as far as the browser knows.
pub(super) fn is_seen() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.visibility_state() == VisibilityState::Visible)
}
