use yew::{AttrValue, Callback, Html, MouseEvent, html};

/// A button that is pressed or not.
pub(super) struct Toggle {
    /// Its `data-action`.
    pub(super) action: &'static str,
    /// Its name for screen readers.
    pub(super) name: AttrValue,
    /// What is on it.
    pub(super) face: Html,
    /// Whether it is pressed.
    pub(super) pressed: bool,
    /// Whether it can be pressed now.
    pub(super) enabled: bool,
    /// What it does.
    pub(super) onclick: Callback<MouseEvent>,
}

impl From<Toggle> for Html {
    fn from(toggle: Toggle) -> Self {
        html! {
            <button
                type="button"
                class="button toggle"
                data-action={toggle.action}
                aria-label={toggle.name}
                aria-pressed={if toggle.pressed { "true" } else { "false" }}
                disabled={!toggle.enabled}
                onclick={toggle.onclick}
            >
                { toggle.face }
            </button>
        }
    }
}
