use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_events::EventListener;
use gloo_timers::callback::Interval;
use soundport_api::Source;
use wasm_bindgen_futures::spawn_local;
use web_sys::VisibilityState;
use yew::{AttrValue, Callback, UseStateHandle, UseStateSetter, hook};
use yew::{use_callback, use_effect_with, use_mut_ref, use_state_eq};

use crate::relay::{self, Base, ListError};
use crate::state::merge;

/// How often the list is read while the page is seen.
const READ_EVERY_MILLIS: u32 = 2_000;

/// Whether the relay answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The first answer has not come yet.
    Looking,
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// Something answers that is no relay.
    Strange,
}

/// The sources there are.
#[derive(Clone, PartialEq)]
pub struct SourcesHandle {
    sources: UseStateHandle<Vec<Source>>,
    link: UseStateHandle<Link>,
    /// Keeps a source on the page while it is listened to, whatever the relay says.
    pub hold: Callback<(AttrValue, bool)>,
}

impl SourcesHandle {
    /// The list to show.
    pub fn list(&self) -> &[Source] {
        &self.sources
    }

    /// Whether the relay answers.
    pub fn link(&self) -> Link {
        *self.link
    }
}

/// Reads the sources from the relay again and again.
#[hook]
pub fn use_sources(base: &Rc<Base>) -> SourcesHandle {
    let sources = use_state_eq(Vec::new);
    let link = use_state_eq(|| Link::Looking);
    let held = use_mut_ref(Vec::<AttrValue>::new);
    let shown = use_mut_ref(Vec::<Source>::new);

    let hold = use_callback((), {
        let held = Rc::clone(&held);
        move |(id, on), ()| {
            let mut held = held.borrow_mut();
            held.retain(|held| *held != id);
            if on {
                held.push(id);
            }
        }
    });
    use_effect_with(Rc::clone(base), {
        let reader = Reader { held, shown, sources: sources.setter(), link: link.setter() };
        move |base| {
            let reading = reader.read_on(Rc::clone(base));
            move || drop(reading)
        }
    });
    SourcesHandle { sources, link, hold }
}

/// Where readings of the list go.
#[derive(Clone)]
struct Reader {
    held: Rc<RefCell<Vec<AttrValue>>>,
    shown: Rc<RefCell<Vec<Source>>>,
    sources: UseStateSetter<Vec<Source>>,
    link: UseStateSetter<Link>,
}

impl Reader {
    /// Reads now, every two seconds while the page is seen, and when it is seen again.
    fn read_on(self, base: Rc<Base>) -> (Interval, Option<EventListener>) {
        let under_way = Rc::new(Cell::new(false));
        let read = Rc::new(move || {
            let (reader, base, under_way) = (self.clone(), Rc::clone(&base), Rc::clone(&under_way));
            spawn_local(async move {
                // A slow answer is waited for, not asked for again.
                if !under_way.replace(true) {
                    reader.take(relay::sources(&base).await);
                    under_way.set(false);
                }
            });
        });
        read();
        let on_sight = is_seen_listener(Rc::clone(&read));
        (
            Interval::new(READ_EVERY_MILLIS, move || {
                if is_seen() {
                    read()
                }
            }),
            on_sight,
        )
    }

    fn take(&self, answer: Result<Vec<Source>, ListError>) {
        match answer {
            Ok(fresh) => {
                let held = self.held.borrow();
                let merged = merge(&self.shown.borrow(), fresh, |id| held.iter().any(|held| held == id));
                self.shown.replace(merged.clone());
                self.sources.set(merged);
                self.link.set(Link::Up);
            }
            Err(ListError::Unreachable) => self.link.set(Link::Down),
            Err(ListError::NotARelay) => self.link.set(Link::Strange),
        }
    }
}

fn is_seen() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.visibility_state() == VisibilityState::Visible)
}

fn is_seen_listener(read: Rc<impl Fn() + 'static>) -> Option<EventListener> {
    let document = web_sys::window()?.document()?;
    Some(EventListener::new(&document, "visibilitychange", move |_| {
        if is_seen() {
            read();
        }
    }))
}
