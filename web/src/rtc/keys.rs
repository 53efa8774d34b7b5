//! What plays, told to the system, and the system's play and stop keys (W3C Media Session).

use js_sys::Object;
use wasm_bindgen::prelude::*;
use yew::Callback;

use crate::js::{MediaMetadata, MediaSession, NavigatorWithKeys};

/// The keys' actions; the first begins, the others end.
const ACTIONS: [&str; 3] = ["play", "pause", "stop"];

/// The system's keys, until dropped.
pub struct Keys {
    session: MediaSession,
    _handlers: Vec<Closure<dyn FnMut()>>,
}

impl Keys {
    /// Tells `turn` what the keys ask for: true to play, false to stop. None where the browser has no such thing.
    pub fn listen(turn: &Callback<bool>) -> Option<Self> {
        let navigator: NavigatorWithKeys = web_sys::window()?.navigator().unchecked_into();
        let session = navigator.media_session()?;
        let handlers = ACTIONS.map(|action| {
            let turn = turn.clone();
            let handler: Closure<dyn FnMut()> = Closure::new(move || turn.emit(action == ACTIONS[0]));
            // A browser that lacks an action only lacks its key.
            let _ = session.set_action_handler(action, Some(handler.as_ref().unchecked_ref()));
            handler
        });
        Some(Self { session, _handlers: handlers.into() })
    }

    /// Says what plays; an empty title where nothing does.
    pub fn show(&self, title: &str) {
        let metadata = (!title.is_empty()).then(|| {
            let from: MediaMetadata = Object::new().unchecked_into();
            from.set_title(title);
            from.set_artist("Soundport");
            MediaMetadata::new(&from)
        });
        self.session.set_metadata(metadata.as_ref());
        self.session.set_playback_state(if title.is_empty() { "paused" } else { "playing" });
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        for action in ACTIONS {
            // As above.
            let _ = self.session.set_action_handler(action, None);
        }
    }
}
