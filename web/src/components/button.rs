use yew::{Callback, Html, MouseEvent, html};

use crate::desk::Act;

/// A button of a card.
pub(super) struct Button {
    /// Its `data-action`, by which it also looks.
    pub(super) action: &'static str,
    /// Its name for screen readers.
    pub(super) name: String,
    /// What is on it.
    pub(super) face: Html,
    /// Whether it is pressed; none where it is pressed and let go.
    pub(super) pressed: Option<bool>,
    /// Whether it can be pressed now.
    pub(super) enabled: bool,
    /// What it does; nothing where the desk listens to its presses itself.
    pub(super) act: Option<Act>,
}

impl Button {
    pub(super) fn draw(self, act: &Callback<Act>) -> Html {
        let (act, asked) = (act.clone(), self.act);
        let onclick = Callback::from(move |_: MouseEvent| {
            if let Some(asked) = asked {
                act.emit(asked);
            }
        });
        html! {
            <button
                type="button"
                class="button"
                data-action={self.action}
                aria-label={self.name}
                aria-pressed={self.pressed.map(|pressed| if pressed { "true" } else { "false" })}
                disabled={!self.enabled}
                {onclick}
            >
                { self.face }
            </button>
        }
    }
}
