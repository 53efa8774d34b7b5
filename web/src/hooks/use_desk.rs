use std::cell::RefCell;
use std::rc::Rc;

use yew::{AttrValue, Callback, MouseEvent, UseReducerDispatcher, UseReducerHandle, hook};
use yew::{use_callback, use_effect_with, use_memo, use_mut_ref, use_reducer};

use super::SourcesHandle;
use super::board::Board;
use crate::rtc::{Keys, ask_to_play};
use crate::state::{Desk, Move, News, Roster};
use crate::{store, words};

/// What plays on this page.
#[derive(Clone, PartialEq)]
pub struct DeskHandle {
    desk: UseReducerHandle<Desk>,
    roster: UseReducerDispatcher<Roster>,
    /// Where cards hear that they are to listen (true) or to stop (false).
    pub turns: Board<bool>,
    /// Stops everything (false), or listens again to what was stopped so (true).
    pub turn_all: Callback<bool>,
}

impl DeskHandle {
    /// How things stand.
    pub fn now(&self) -> &Desk {
        &self.desk
    }

    /// Says what happened.
    pub fn tell(&self, happened: Move) {
        match &happened {
            Move::Plays(player) => self.roster.dispatch(News::Held(player.id.to_string(), true)),
            Move::Ends(id) => self.roster.dispatch(News::Held(id.to_string(), false)),
            Move::Solo(_) | Move::Free(_) => {}
        }
        self.desk.dispatch(happened);
    }

    /// Takes a click on the solo button of the source with this id.
    pub fn solo(&self, id: &AttrValue) -> Callback<MouseEvent> {
        let (desk, id) = (self.desk.dispatcher(), id.clone());
        Callback::from(move |_| desk.dispatch(Move::Solo(id.clone())))
    }

    /// Listens again to what this tab played before. Call it inside the user's click.
    pub fn resume(&self) {
        self.turns.tell(|id| self.desk.asks(id).then_some(true));
    }
}

/// The desk of the page, which shows the source entitled `page`, or all.
#[hook]
pub fn use_desk(sources: &SourcesHandle, page: Option<AttrValue>) -> DeskHandle {
    let desk = use_reducer(|| Desk::resuming(store::playing()));
    let turns: Rc<Board<bool>> = use_memo((), |()| Board::default());
    let stopped = use_mut_ref(Vec::new);
    let turn_all = use_callback((desk.clone(), (*turns).clone()), move |on, (desk, turns)| {
        turn_all(on, desk, turns, &stopped);
    });
    use_effect_with((), {
        let desk = desk.clone();
        move |()| {
            if desk.has_pending() {
                ask_to_play(move |free| desk.dispatch(Move::Free(free)));
            }
        }
    });
    let keys = use_mut_ref(|| None::<Keys>);
    use_effect_with(turn_all.clone(), {
        let keys = Rc::clone(&keys);
        move |turn| {
            keys.replace(Keys::listen(turn));
            move || drop(keys.take())
        }
    });
    use_effect_with((desk.heard(), page), move |(heard, page)| {
        if let Some(document) = web_sys::window().and_then(|window| window.document()) {
            document.set_title(&words::tab_title(heard, page.as_deref()));
        }
        if let Some(keys) = &*keys.borrow() {
            keys.show(&words::playing(heard));
        }
    });
    DeskHandle { desk, roster: sources.dispatcher(), turns: (*turns).clone(), turn_all }
}

fn turn_all(on: bool, desk: &Desk, turns: &Board<bool>, stopped: &RefCell<Vec<String>>) {
    if on {
        turns.tell(|id| stopped.borrow().iter().any(|stopped| stopped == id).then_some(true));
        return;
    }
    stopped.borrow_mut().clear();
    turns.tell(|id| {
        desk.is_on(id).then(|| {
            stopped.borrow_mut().push(id.to_owned());
            false
        })
    });
}
