//! What can be made before the click, so that the click is heard sooner: on an idle machine some 60 ms.

use std::cell::{Cell, RefCell};

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::context;
use super::peer::Peer;

/// A connection whose offer is written already.
pub(super) struct Offered {
    pub(super) peer: Peer,
    pub(super) offer: Option<String>,
}

thread_local! {
    static SPARE: RefCell<Option<Offered>> = const { RefCell::new(None) };
    static UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Makes ready what the next *Listen* needs. Nothing is sent, and no sound device is opened.
pub fn prepare() {
    context::warm_up();
    if UNDER_WAY.get() || SPARE.with_borrow(Option::is_some) {
        return;
    }
    UNDER_WAY.set(true);
    spawn_local(async {
        // A browser that cannot says so when it is asked to listen.
        SPARE.set(offered().await.ok());
        UNDER_WAY.set(false);
    });
}

/// The connection that was made ready, where it is to be used at once; else a new one.
pub(super) fn take(at_once: bool) -> Result<Offered, JsValue> {
    match at_once.then(|| SPARE.take()).flatten() {
        Some(offered) => Ok(offered),
        None => Ok(Offered { peer: Peer::receiving()?, offer: None }),
    }
}

async fn offered() -> Result<Offered, JsValue> {
    let peer = Peer::receiving()?;
    let offer = Some(peer.offer().await?);
    Ok(Offered { peer, offer })
}
