use yew::{Callback, Html, MouseEvent, html};

use crate::desk::Act;

/// A button that is pressed or not.
pub(super) struct Toggle {
    /// Its `data-action`.
    pub(super) action: &'static str,
    /// Its name for screen readers.
    pub(super) name: String,
    /// What is on it.
    pub(super) face: Html,
    /// Whether it is pressed.
    pub(super) pressed: bool,
    /// Whether it can be pressed now.
    pub(super) enabled: bool,
    /// What it does.
    pub(super) act: Act,
}

impl Toggle {
    pub(super) fn draw(self, act: &Callback<Act>) -> Html {
        let asked = self.act;
        html! {
            <button
                type="button"
                class="button toggle"
                data-action={self.action}
                aria-label={self.name}
                aria-pressed={if self.pressed { "true" } else { "false" }}
                disabled={!self.enabled}
                onclick={act.reform(move |_: MouseEvent| asked)}
            >
                { self.face }
            </button>
        }
    }
}
