//! What the browser remembers of a page.

use crate::stage;

/// Forgets every setting, what played, and which source the page shows alone.
pub(crate) fn forget_everything() {
    let window = web_sys::window().unwrap();
    window.local_storage().unwrap().unwrap().clear().unwrap();
    window.session_storage().unwrap().unwrap().clear().unwrap();
    stage::go_to("");
}

/// Remembers for this tab that it played these sources.
pub(crate) fn has_played(ids: &str) {
    web_sys::window()
        .unwrap()
        .session_storage()
        .unwrap()
        .unwrap()
        .set_item("soundport.playing", ids)
        .unwrap();
}
