//! What hands do to *Talk*: a click stays on, a hold ends when it is let go, and the space bar is held from anywhere on the page.

use gloo_events::{EventListener, EventListenerOptions};
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, Event, KeyboardEvent, MouseEvent, Window};

use super::Desk;
use super::feed::is_seen;
use crate::state::{TalkEvent, Trouble};

/// A *Talk* that can be pressed.
const TALK: &str = "[data-action=talk]:enabled";

/// What uses the space bar itself, or types with it.
const USES_SPACE: &str = "input,textarea,select,button,summary,a,audio,video,[contenteditable],[tabindex]";

impl Desk {
    /// Listens to hands, until the listeners are dropped.
    pub(super) fn hands(&self, window: &Window, document: &Document) -> Vec<EventListener> {
        let on = |name: &'static str, act: fn(&Self, &Event)| {
            let act = self.callback(move |desk, event: Event| act(desk, &event));
            let options = EventListenerOptions::enable_prevent_default();
            EventListener::new_with_options(window, name, options, move |event| act.emit(event.clone()))
        };
        let hidden = self.callback(|desk, ()| {
            if !is_seen() {
                desk.stop_talking(Trouble::Hidden);
            }
        });
        vec![
            on("pointerdown", Self::press),
            on("pointerup", Self::release),
            on("pointercancel", Self::let_go),
            on("blur", Self::let_go),
            on("click", Self::click),
            on("contextmenu", |_, event| {
                if talk_of(event).is_some() {
                    // A long press on glass would open it in the middle of a sentence.
                    event.prevent_default();
                }
            }),
            on("keydown", Self::key_down),
            on("keyup", Self::key_up),
            EventListener::new(document, "visibilitychange", move |_| hidden.emit(())),
        ]
    }

    fn press(&self, event: &Event) {
        let is_main = event.unchecked_ref::<MouseEvent>().button() == 0;
        if let Some(id) = talk_of(event).filter(|_| is_main) {
            self.talker(&id).tell(TalkEvent::Press(now_millis()));
        }
    }

    fn release(&self, _: &Event) {
        self.tell_talkers(&TalkEvent::Release(now_millis()));
    }

    fn let_go(&self, _: &Event) {
        self.tell_talkers(&TalkEvent::LetGo(now_millis()));
    }

    /// A pointer's click was a press already. Others are of the Enter key, of screen readers and of scripts.
    fn click(&self, event: &Event) {
        let by_pointer = event.unchecked_ref::<MouseEvent>().detail() > 0;
        if let Some(id) = talk_of(event).filter(|_| !by_pointer) {
            self.talker(&id).tell(TalkEvent::Toggle);
        }
    }

    fn key_down(&self, event: &Event) {
        let key: &KeyboardEvent = event.unchecked_ref();
        if key.key() != " " || key.ctrl_key() || key.alt_key() || key.meta_key() {
            return;
        }
        if let Some(id) = talk_of(event) {
            event.prevent_default();
            if !key.repeat() {
                self.talker(&id).tell(TalkEvent::Press(now_millis()));
            }
        } else if closest(event, USES_SPACE).is_none()
            && let [talker] =
                &self.talkers().iter().filter(|talker| talker.is_connected()).collect::<Vec<_>>()[..]
        {
            event.prevent_default();
            talker.tell(TalkEvent::Hold);
        }
    }

    fn key_up(&self, event: &Event) {
        let key: &KeyboardEvent = event.unchecked_ref();
        if key.key() == " " {
            if talk_of(event).is_some() {
                // It would be a click, too.
                event.prevent_default();
            }
            self.release(event);
        }
    }

    fn tell_talkers(&self, event: &TalkEvent) {
        self.talkers().iter().for_each(|talker| talker.tell(event.clone()));
    }
}

/// The source's id whose *Talk* it happened at.
fn talk_of(event: &Event) -> Option<String> {
    closest(event, TALK)?.closest("[data-source]").ok()??.get_attribute("data-source")
}

fn closest(event: &Event, selector: &str) -> Option<Element> {
    event.target()?.dyn_into::<Element>().ok()?.closest(selector).ok()?
}

fn now_millis() -> f64 {
    js_sys::Date::now()
}
