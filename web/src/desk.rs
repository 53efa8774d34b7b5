//! What happens on the page: a [`Desk`] follows the relay, plays its sources, and says when the page is to be drawn again.
//!
//! What is decided is decided in [`crate::state`]; sources play on while their cards are not shown.

mod booth;
mod climb;
mod clipboard;
mod feed;
mod hands;
mod level_board;
mod outside;
mod player;
mod talker;
mod talks;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use soundport_api::Source;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Document, Window};
use yew::{AttrValue, Callback, Reducible};

use crate::relay::Base;
use crate::rtc::{self, Keys};
use crate::state::{Heard, Link, Mix, Move, News, Roster, TalkEvent, is_meant};
use crate::store;

use booth::Booth;
use feed::{Feed, Following};
use player::Player;
use talker::Talker;

pub use clipboard::Copied;
pub use level_board::{LevelBoard, Posted};
pub use player::{Act, OpenGauge, View};
pub use talker::TalkView;

/// From so many sources on there is a field to find one.
const MANY_SOURCES: usize = 8;

/// What the first *Listen* needs is made ready when the page has been drawn.
const PREPARE_AFTER_MILLIS: u32 = 50;

/// What plays on this page, and what is known of the relay.
pub struct Desk {
    own: Weak<Self>,
    base: Base,
    redraw: Box<dyn Fn()>,
    roster: RefCell<Rc<Roster>>,
    mix: RefCell<Rc<Mix>>,
    players: RefCell<Vec<Rc<Player>>>,
    talkers: RefCell<Vec<Rc<Talker>>>,
    booth: Booth,
    levels: LevelBoard,
    typed: RefCell<AttrValue>,
    route: RefCell<Option<AttrValue>>,
    /// Whether WebRTC led nowhere when it was last tried.
    blocked: Rc<Cell<bool>>,
    title: RefCell<String>,
    /// What *Stop all* stopped.
    stopped: RefCell<Vec<AttrValue>>,
    wanted: RefCell<String>,
    settling: Cell<Option<Timeout>>,
    following: RefCell<Option<Following>>,
    keys: RefCell<Option<Keys>>,
    listeners: RefCell<Vec<EventListener>>,
    copied: Cell<Copied>,
    /// Until the last copying is no longer told of.
    telling: Cell<Option<Timeout>>,
}

impl Desk {
    /// A desk that has `redraw` called when the page is to be drawn again.
    pub fn new(redraw: impl Fn() + 'static) -> Rc<Self> {
        Rc::new_cyclic(|own| Self {
            own: own.clone(),
            base: Base::of_page(),
            redraw: Box::new(redraw),
            roster: RefCell::default(),
            mix: RefCell::default(),
            players: RefCell::default(),
            talkers: RefCell::default(),
            booth: Booth::new(own.clone()),
            levels: LevelBoard::default(),
            typed: RefCell::default(),
            route: RefCell::new(named_in_address()),
            blocked: Rc::default(),
            title: RefCell::default(),
            stopped: RefCell::default(),
            wanted: RefCell::default(),
            settling: Cell::default(),
            following: RefCell::default(),
            keys: RefCell::default(),
            listeners: RefCell::default(),
            copied: Cell::default(),
            telling: Cell::default(),
        })
    }

    /// Begins to follow the relay.
    pub fn begin(&self) {
        let (told, shown) = (self.own.clone(), self.levels.clone());
        let news = move |news| {
            if let Some(desk) = told.upgrade() {
                desk.hear(news);
            }
        };
        let feed = Feed::follow(self.base.clone(), news, move |levels| shown.show(&levels));
        self.following.replace(Some(feed));
        self.keys.replace(Keys::listen(&self.callback(Self::turn_all)));
        if let Some((window, document)) = web_sys::window().zip(document()) {
            let on = |name, act: fn(&Self)| self.listener(&window, name, act);
            let listeners = [
                on("hashchange", |desk| {
                    desk.route.replace(named_in_address());
                    desk.changed();
                }),
                // A page that goes away says so, rather than leave the relay sending until it notices.
                on("pagehide", Self::leave),
                on("pageshow", Self::resume_remembered),
            ];
            let hands = self.hands(&window, &document);
            self.listeners.replace(listeners.into_iter().chain(hands).collect());
        }
        self.resume_remembered();
        Timeout::new(PREPARE_AFTER_MILLIS, rtc::prepare).forget();
    }

    /// Ends everything.
    pub fn end(&self) {
        self.following.take();
        self.listeners.take();
        self.keys.take();
        self.booth.end();
        self.leave();
    }

    fn leave(&self) {
        self.players().iter().for_each(Player::leave);
        self.talkers().iter().for_each(|talker| talker.tell(TalkEvent::End));
    }

    /// Where the relay is.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// What is known of the relay.
    pub fn roster(&self) -> Rc<Roster> {
        Rc::clone(&self.roster.borrow())
    }

    /// What plays.
    pub fn mix(&self) -> Rc<Mix> {
        Rc::clone(&self.mix.borrow())
    }

    /// Where meters get the levels of what is not listened to.
    pub fn levels(&self) -> LevelBoard {
        self.levels.clone()
    }

    /// The id of the one source that is to be shown.
    pub fn route(&self) -> Option<AttrValue> {
        self.route.borrow().clone()
    }

    /// What was typed to find a source; none where there are few.
    pub fn typed(&self) -> Option<AttrValue> {
        let typed = self.typed.borrow();
        let many = self.roster.borrow().sources.len() >= MANY_SOURCES;
        (many || !typed.is_empty()).then(|| typed.clone())
    }

    /// Whether a source's card is to be seen.
    pub fn shows(&self, source: &Source) -> bool {
        match &*self.route.borrow() {
            Some(id) => source.id == id.as_str(),
            None => {
                let typed = self.typed.borrow();
                typed.is_empty() || is_meant(&lower(&source.title), &source.id, &lower(&typed))
            }
        }
    }

    /// What the card of the source with this id shows, and where it says what the user does.
    pub fn card(&self, id: &str) -> (View, Callback<Act>) {
        let (player, mix) = (self.player(id), self.mix.borrow());
        let hushed = player.is_on() && mix.is_hushed(id);
        let hint = player.hint(self.roster.borrow().relay.as_ref(), &self.base.host());
        let view = View { hushed, hint, solo: mix.is_solo(id), talk: self.talk(id), ..player.view() };
        (view, player.act.clone())
    }

    /// Takes what was typed to find a source.
    pub fn find(&self, typed: String) {
        self.typed.replace(typed.into());
        self.changed();
    }

    /// Stops everything (false), or listens again to what was stopped so (true).
    pub fn turn_all(&self, on: bool) {
        if on {
            for id in self.stopped.take() {
                self.player(&id).listen();
            }
            return;
        }
        let playing = || self.players().into_iter().filter(|player| player.is_on());
        self.stopped.replace(playing().map(|player| player.id.clone()).collect());
        playing().for_each(|player| player.stop());
    }

    /// Whether something that this tab played waits for a click.
    pub fn asks(&self) -> bool {
        let mix = self.mix.borrow();
        self.roster.borrow().sources.iter().any(|source| mix.asks(&source.id))
    }

    /// Listens again to what this tab played. Call it inside the user's click.
    pub fn resume(&self) {
        self.take(Move::Free(true));
        self.changed();
    }

    /// How the last copying went, for a while.
    pub fn copied(&self) -> Copied {
        self.copied.get()
    }

    /// Copies a line to where the user can paste it from.
    pub fn copy(&self, line: String) {
        let told = self.callback(Self::say_copied);
        spawn_local(async move { told.emit(clipboard::copy(&line).await) });
    }

    fn say_copied(&self, copied: Copied) {
        self.copied.set(copied);
        let over = self.callback(Self::say_copied);
        self.telling.set(clipboard::then_forget(copied, over));
        (self.redraw)();
    }

    /// Something to be called with this desk, while it is there.
    pub fn callback<T: 'static>(&self, act: impl Fn(&Self, T) + 'static) -> Callback<T> {
        let own = self.own.clone();
        Callback::from(move |what| {
            if let Some(desk) = own.upgrade() {
                act(&desk, what);
            }
        })
    }

    /// Does what a card asks for that is not its listening alone.
    fn act(&self, id: &AttrValue, act: Act) {
        match act {
            Act::Solo => self.take(Move::Solo(id.clone())),
            Act::EndTalk => self.talker(id).tell(TalkEvent::End),
            Act::Raw(raw) => self.booth.choose(|choice, _| choice.raw = raw),
            Act::Device(place) => self.booth.choose(|choice, devices| {
                choice.device = place.and_then(|place| devices.get(place)).cloned();
            }),
            Act::Listen | Act::Stop | Act::Set(_) => {}
        }
        self.changed();
    }

    fn hear(&self, news: News) {
        let before = self.roster();
        let after = Rc::clone(&before).reduce(news);
        if !Rc::ptr_eq(&before, &after) {
            self.roster.replace(after);
            self.changed();
        }
    }

    fn take(&self, happened: Move) {
        let next = self.mix().reduce(happened);
        self.mix.replace(next);
    }

    /// Brings everything in line with what is known, and has the page drawn again.
    fn changed(&self) {
        let roster = self.roster();
        for source in &roster.sources {
            let player = self.player(&source.id);
            player.meet((roster.link == Link::Up).then_some(source.state), roster.instance());
            if self.mix.borrow().resumes(&source.id) {
                player.listen();
            }
            let talks = self.meet_talker(source, &roster);
            let on = player.is_on();
            self.take(match on {
                true => Move::Plays(Heard {
                    id: player.id.clone(),
                    title: source.title.clone().into(),
                    heard: player.is_heard() && !self.mix.borrow().is_hushed(&source.id),
                }),
                false => Move::Ends(player.id.clone()),
            });
            self.roster
                .replace_with(|roster| Rc::clone(roster).reduce(News::Held(source.id.clone(), on || talks)));
        }
        let is_known = |player: &Player| roster.sources.iter().any(|source| player.id == source.id);
        self.players.borrow_mut().retain(|player| player.is_on() || is_known(player));
        self.talkers
            .borrow_mut()
            .retain(|talker| talker.is_on() || roster.sources.iter().any(|source| talker.id == source.id));
        for player in self.players() {
            player.set_gain(self.mix.borrow().is_hushed(&player.id));
        }
        if let Some(following) = &*self.following.borrow() {
            following.hurry(self.talkers().iter().any(|talker| talker.waits()));
        }
        self.name();
        self.want();
        (self.redraw)();
    }

    fn resume_remembered(&self) {
        let remembered = store::playing();
        if remembered.is_empty() {
            return;
        }
        self.take(Move::Remembered(remembered));
        let told = self.callback(|desk, free| {
            desk.take(Move::Free(free));
            desk.changed();
        });
        rtc::ask_to_play(move |free| told.emit(free));
    }

    fn player(&self, id: &str) -> Rc<Player> {
        let mut players = self.players.borrow_mut();
        if let Some(known) = players.iter().find(|player| player.id == id) {
            return Rc::clone(known);
        }
        let player = Player::new(id, self.own.clone());
        players.push(Rc::clone(&player));
        player
    }

    fn players(&self) -> Vec<Rc<Player>> {
        self.players.borrow().clone()
    }

    fn listener(&self, window: &Window, name: &'static str, act: fn(&Self)) -> EventListener {
        let act = self.callback(move |desk, ()| act(desk));
        EventListener::new(window, name, move |_| act.emit(()))
    }
}

fn document() -> Option<Document> {
    web_sys::window()?.document()
}

fn lower(text: &str) -> String {
    js_sys::JsString::from(text).to_lower_case().into()
}

/// The id of the source that the page's address names after its hash (`#/desktop`); none where all are to be shown.
fn named_in_address() -> Option<AttrValue> {
    let hash = web_sys::window()?.location().hash().ok()?;
    let named = hash.strip_prefix("#/").filter(|named| !named.is_empty())?;
    // What is no percent-encoding is taken as it stands.
    let id = js_sys::decode_uri_component(named).map_or_else(|_| named.to_owned(), String::from);
    Some(id.into())
}
