use gloo_timers::callback::Timeout;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::{AttrValue, Html, Properties, component, html, use_callback, use_effect_with, use_state_eq};

/// How long the button says what it did.
const SAID_FOR_MILLIS: u32 = 2_000;

/// A line to type.
#[derive(Debug, Clone, PartialEq, Properties)]
pub struct CopyLineProps {
    /// The line.
    pub line: AttrValue,
}

/// How the last copying went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    NotYet,
    Done,
    Refused,
}

/// A line to type, with a button that copies it.
#[component]
pub fn CopyLine(props: &CopyLineProps) -> Html {
    let copied = use_state_eq(|| Copied::NotYet);
    let onclick = use_callback((props.line.clone(), copied.setter()), |_, (line, copied)| {
        let (line, copied) = (line.clone(), copied.clone());
        spawn_local(async move {
            let went = if copy(&line).await.is_some() { Copied::Done } else { Copied::Refused };
            copied.set(went);
        });
    });
    use_effect_with(*copied, {
        let setter = copied.setter();
        move |copied| {
            let said = (*copied != Copied::NotYet)
                .then(|| Timeout::new(SAID_FOR_MILLIS, move || setter.set(Copied::NotYet)));
            move || drop(said)
        }
    });
    let (label, said) = match *copied {
        Copied::NotYet => ("Copy", ""),
        Copied::Done => ("Copied", "Copied."),
        Copied::Refused => ("Select it", "The browser does not copy here. Select the line by hand."),
    };
    html! {
        <div class="copy-line">
            <code tabindex="0">{ &props.line }</code>
            <button type="button" class="button quiet" data-action="copy" {onclick}>{ label }</button>
            <span class="unseen" role="status">{ said }</span>
        </div>
    }
}

/// Over plain HTTP from another machine the browser has no clipboard, and reading it would throw.
async fn copy(line: &str) -> Option<()> {
    let window = web_sys::window()?;
    if !window.is_secure_context() {
        return None;
    }
    JsFuture::from(window.navigator().clipboard().write_text(line)).await.ok().map(|_| ())
}
