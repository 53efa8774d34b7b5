use gloo_timers::callback::Timeout;
use wasm_bindgen_futures::JsFuture;
use yew::Callback;

/// How long a button says what it did.
const TOLD_FOR_MILLIS: u32 = 2_000;

/// How the last copying of a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Copied {
    /// None was copied of late.
    #[default]
    NotYet,
    /// It is where the user can paste it from.
    Done,
    /// The browser does not copy here.
    Refused,
}

/// Copies a line to where the user can paste it from.
pub(super) async fn copy(line: &str) -> Copied {
    match write(line).await {
        Some(()) => Copied::Done,
        None => Copied::Refused,
    }
}

/// Tells that nothing was copied of late, when it is no longer late.
pub(super) fn then_forget(copied: Copied, tell: Callback<Copied>) -> Option<Timeout> {
    let forget = move || tell.emit(Copied::NotYet);
    (copied != Copied::NotYet).then(|| Timeout::new(TOLD_FOR_MILLIS, forget))
}

/// Over plain HTTP from another machine the browser has no clipboard, and reading it would throw.
async fn write(line: &str) -> Option<()> {
    let window = web_sys::window()?;
    if !window.is_secure_context() {
        return None;
    }
    JsFuture::from(window.navigator().clipboard().write_text(line)).await.ok().map(|_| ())
}
