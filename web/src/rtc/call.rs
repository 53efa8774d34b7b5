//! A connection and its session at the relay: what listening and talking have in common.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen_futures::spawn_local;

use super::peer::Peer;
use super::whep;
use crate::relay::http::{self, Pending};
use crate::state::{Event, Pause, Refusal};

/// The relay mints credentials in no time: a session is not to wait much longer for them than for its answer.
const ICE_TIMEOUT_MILLIS: u32 = 2_000;

/// Where a session is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A WHEP or WHIP URL.
    pub url: String,
    /// Where the relay names the STUN and TURN servers that the browser may use; none where it has none.
    pub ice: Option<String>,
}

pub(super) struct Call {
    pub(super) peer: Peer,
    session_url: RefCell<Option<String>>,
    closed: Cell<bool>,
}

impl Call {
    pub(super) fn new(peer: Peer) -> Rc<Self> {
        Rc::new(Self { peer, session_url: RefCell::default(), closed: Cell::new(false) })
    }

    /// Asks the relay for a session, by an offer that may be written already; says by which number the relay knows a talker.
    pub(super) async fn negotiate(
        &self,
        endpoint: &Endpoint,
        offer: Option<String>,
    ) -> Result<Option<u32>, Refusal> {
        let unusable = |_| Refusal::Unusable("this browser cannot use its answer.".into());
        let offer = match offer {
            Some(offer) => offer,
            None => self.peer.offer().await.map_err(unusable)?,
        };
        // The relay answers while the browser makes the offer its own.
        let pending = whep::send_offer(&endpoint.url, &offer)?;
        if let Some(servers) = endpoint.ice.as_ref().and_then(|ice| http::ask(ice, ICE_TIMEOUT_MILLIS).ok()) {
            self.configure(servers).await;
        }
        let own = self.peer.take_offer(&offer).await;
        let granted = whep::granted(pending).await?;
        if self.closed.get() {
            whep::end(&granted.session_url).await;
            return Ok(None);
        }
        *self.session_url.borrow_mut() = Some(granted.session_url);
        own.map_err(unusable)?;
        self.peer.take_answer(&granted.answer).await.map_err(unusable)?;
        Ok(granted.talker)
    }

    /// Servers that cannot be had leave the ways that need none.
    async fn configure(&self, servers: Pending) {
        if let Ok(answer) = servers.answer().await
            && answer.status == 200
        {
            self.peer.configure(&answer.body);
        }
    }

    /// Something is odd: a relay that restarted does not know the session, one that is gone does not answer.
    pub(super) async fn ask(&self) -> Option<Event> {
        let url = self.session_url.borrow().clone()?;
        match whep::still_stands(&url).await {
            Ok(true) => None,
            Ok(false) => Some(Event::Forgotten(js_sys::Math::random())),
            Err(_) => Some(Event::Broken(Pause::NoRelay, js_sys::Math::random())),
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

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
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
