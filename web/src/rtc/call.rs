//! A connection and its session at the relay: what listening and talking have in common.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen_futures::spawn_local;
use yew::AttrValue;

use super::offer;
use super::peer::Peer;
use super::whep;
use crate::relay::http::{self, Pending};
use crate::state::{Event, Refusal, Way};

/// The relay mints credentials in no time: a session is not to wait much longer for them than for its answer.
const ICE_TIMEOUT_MILLIS: u32 = 2_000;

/// Where a session is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A WHEP or WHIP URL.
    pub url: String,
    /// Where the relay names the STUN and TURN servers that the browser may use; none where it has none.
    pub ice: Option<String>,
    /// The relay's address.
    pub base: Rc<str>,
    /// The source's id.
    pub source: AttrValue,
    /// Of a talker: the session by which the same page listens.
    pub with: Option<String>,
}

/// A session that the relay gave.
pub(super) struct Answered {
    /// What there is to tell of it.
    pub(super) event: Event,
    /// By which number the relay knows a talker.
    pub(super) talker: Option<u32>,
}

pub(super) struct Call {
    pub(super) peer: Peer,
    /// Only a better way than this is looked for.
    better_than: Option<Way>,
    session_url: RefCell<Option<String>>,
    closed: Cell<bool>,
}

impl Call {
    pub(super) fn new(peer: Peer, better_than: Option<Way>) -> Rc<Self> {
        Rc::new(Self { peer, better_than, session_url: RefCell::default(), closed: Cell::new(false) })
    }

    /// Asks the relay for a session, by an offer that may be written already.
    pub(super) async fn negotiate(
        &self,
        endpoint: &Endpoint,
        offer: Option<String>,
    ) -> Result<Answered, Refusal> {
        let unusable = |_| Refusal::Unusable("this browser cannot use its answer.".into());
        let offer = match offer {
            Some(offer) => offer,
            None => self.peer.offer().await.map_err(unusable)?,
        };
        // The relay answers while the browser makes the offer its own.
        let pending = whep::send_offer(&endpoint.url, &offer)?;
        let mut turn_only = false;
        // Where WebRTC leads somewhere already, a way through a server is no better.
        let wants_servers = self.better_than.is_none_or(|way| way == Way::Stream);
        let servers = endpoint.ice.as_ref().filter(|_| wants_servers);
        if let Some(servers) = servers.and_then(|ice| http::ask(ice, ICE_TIMEOUT_MILLIS).ok()) {
            turn_only = self.configure(servers).await;
        }
        let own = self.peer.take_offer(&offer).await;
        let mut granted = whep::granted(pending).await?;
        if self.closed.get() {
            whep::end(&granted.session_url).await;
        } else {
            *self.session_url.borrow_mut() = Some(granted.session_url);
            own.map_err(unusable)?;
            if self.better_than == Some(Way::Tcp) {
                granted.answer = offer::without_tcp(&granted.answer);
            }
            self.peer.take_answer(&granted.answer).await.map_err(unusable)?;
            let event = Event::Answered { turn_only, answer: granted.answer.into() };
            return Ok(Answered { event, talker: granted.talker });
        }
        Err(Refusal::Unreachable)
    }

    /// Takes the relay's servers; whether it allows no way but TURN. Servers that cannot be had leave the ways that need none.
    async fn configure(&self, servers: Pending) -> bool {
        match servers.answer().await {
            Ok(answer) if answer.status == 200 => self.peer.configure(&answer.body),
            _ => false,
        }
    }

    /// Something is odd: a relay that restarted does not know the session, one that is gone does not answer.
    pub(super) async fn ask(&self) -> Option<Event> {
        let url = self.session_url.borrow().clone()?;
        match whep::still_stands(&url).await {
            Ok(true) => None,
            Ok(false) => Some(Event::Forgotten(js_sys::Math::random())),
            Err(_) => Some(Event::Unanswered),
        }
    }

    /// Whether the relay has given a session.
    pub(super) fn stands(&self) -> bool {
        self.session_url.borrow().is_some()
    }

    /// The session's name, the last part of its address.
    pub(super) fn name(&self) -> Option<String> {
        let url = self.session_url.borrow();
        url.as_ref()?.rsplit('/').next().map(str::to_owned)
    }

    /// The connection lasts until the relay has answered, or it would have forgotten the session before it is told.
    pub(super) fn close(self: Rc<Self>) {
        self.closed.set(true);
        if let Some(url) = self.session_url.take() {
            let ended = whep::end(&url);
            spawn_local(async move {
                ended.await;
                drop(self);
            });
        }
    }
}
