use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use soundport_api::Source;
use yew::{UseReducerDispatcher, UseReducerHandle, hook};
use yew::{use_effect_with, use_memo, use_mut_ref, use_reducer};

use super::board::Board;
use super::feed::{Feed, Following, Levels};
use crate::relay::Base;
use crate::state::{Link, Roster};

/// How long what is wanted must stay the same before it is asked for: cards come and go several at a time.
const SETTLED_AFTER_MILLIS: u32 = 300;

/// The sources there are.
#[derive(Clone)]
pub struct SourcesHandle {
    roster: UseReducerHandle<Roster>,
    following: Rc<RefCell<Option<Following>>>,
    /// Where cards read the levels that were asked for.
    pub levels: Board<[f32; 2]>,
}

impl SourcesHandle {
    /// The list to show.
    pub fn list(&self) -> &[Source] {
        &self.roster.sources
    }

    /// Whether the relay answers.
    pub fn link(&self) -> Link {
        self.roster.link
    }

    /// What is wrong with the relay, in its own words.
    pub fn trouble(&self) -> Option<&str> {
        self.roster.trouble.as_deref()
    }

    /// The relay's run: another one knows none of its sessions.
    pub fn instance(&self) -> Option<&str> {
        self.roster.instance.as_deref()
    }

    /// Where news of them go.
    pub(super) fn dispatcher(&self) -> UseReducerDispatcher<Roster> {
        self.roster.dispatcher()
    }
}

/// Follows the relay's sources.
#[hook]
pub fn use_sources(base: &Rc<Base>) -> SourcesHandle {
    let roster = use_reducer(Roster::default);
    let board = use_memo((), |()| Board::default());
    let following = use_mut_ref(|| None);
    use_effect_with((), {
        let (base, board, news) = (Rc::clone(base), (*board).clone(), roster.dispatcher());
        let following = Rc::clone(&following);
        move |()| {
            let feed = Feed::follow(base, move |new| news.dispatch(new), move |levels| show(&board, &levels));
            following.replace(Some(feed));
            move || drop(following.take())
        }
    });
    SourcesHandle { roster, following, levels: (*board).clone() }
}

/// Asks for the levels of these sources, by their ids joined by commas.
#[hook]
pub fn use_levels(sources: &SourcesHandle, wanted: String) {
    let following = Rc::clone(&sources.following);
    use_effect_with(wanted, move |wanted| {
        let wanted = wanted.clone();
        let settled = Timeout::new(SETTLED_AFTER_MILLIS, move || {
            if let Some(following) = &*following.borrow() {
                following.want(wanted);
            }
        });
        move || drop(settled)
    });
}

/// Tells meters their levels; none at all mean that no more will come for now.
fn show(board: &Board<[f32; 2]>, levels: &Levels) {
    board.tell(|id| {
        let level = levels.iter().find(|(known, _)| known == id).map(|(_, sides)| *sides);
        level.or_else(|| levels.is_empty().then_some([0.0; 2]))
    });
}
