//! What the desk brings to what is not its own: the tab's title, the system's keys, and the relay's levels.

use std::cell::Cell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use yew::AttrValue;

use super::Desk;
use crate::rtc::Endpoint;
use crate::words;

/// Levels are asked for so many sources at most: addresses have an end.
const MOST_LEVELS: usize = 64;

/// How long what is wanted must stay the same before it is asked for: cards come and go several at a time.
const SETTLED_AFTER_MILLIS: u32 = 300;

impl Desk {
    /// Names what plays, and who is heard, in the tab's title, and to the system.
    pub(super) fn name(&self) {
        let heard = self.mix.borrow().heard();
        let route = self.route();
        let roster = self.roster.borrow();
        let title_of =
            |id: &str| roster.sources.iter().find(|source| source.id == id).map(|source| &*source.title);
        let page = route.as_deref().map(|id| title_of(id).unwrap_or(id));
        let talkers = self.talkers();
        let live = talkers.iter().find(|talker| talker.is_live()).and_then(|talker| title_of(&talker.id));
        let title = words::tab_title(live, &heard, page);
        if self.title.replace(title.clone()) != title {
            if let Some(document) = web_sys::window().and_then(|window| window.document()) {
                document.set_title(&title);
            }
            if let Some(keys) = &*self.keys.borrow() {
                keys.show(&words::playing(&heard));
            }
        }
    }

    /// Where a session with a source is asked for, with WHEP or WHIP; and the session by which a talker listens.
    pub(super) fn endpoint(
        &self,
        protocol: &str,
        source: &AttrValue,
        with: Option<String>,
    ) -> Option<Endpoint> {
        let has_servers = self.roster.borrow().relay.as_ref().is_some_and(|relay| relay.ice);
        let query = with.as_ref().map(|with| format!("?with={with}")).unwrap_or_default();
        Some(Endpoint {
            url: self.base.join(&format!("{protocol}/{source}{query}"))?,
            ice: if has_servers { self.base.join("api/ice") } else { None },
            base: self.base.url(),
            source: source.clone(),
            with,
        })
    }

    /// Whether WebRTC led nowhere when it was last tried.
    pub(super) fn blocked(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.blocked)
    }

    /// Asks for the levels of what is shown and not listened to, which its own meter knows.
    pub(super) fn want(&self) {
        let (roster, mix) = (self.roster.borrow(), self.mix.borrow());
        let unheard = roster.sources.iter().filter(|source| self.shows(source) && !mix.is_on(&source.id));
        let mut wanted = String::new();
        for source in unheard.take(MOST_LEVELS) {
            if !wanted.is_empty() {
                wanted.push(',');
            }
            wanted.push_str(&String::from(js_sys::encode_uri_component(&source.id)));
        }
        if self.wanted.replace(wanted.clone()) != wanted {
            let settled = self.callback(|desk, wanted| {
                if let Some(following) = &*desk.following.borrow() {
                    following.want(wanted);
                }
            });
            self.settling.set(Some(Timeout::new(SETTLED_AFTER_MILLIS, move || settled.emit(wanted))));
        }
    }
}
