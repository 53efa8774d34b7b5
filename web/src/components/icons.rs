//! Small pictures, drawn in the colour of the text beside them. Words stand next to each, so screen readers skip them.
//!
//! Each is one text: as elements they would weigh more than all the page's words.

use soundport_api::SourceState;
use yew::{AttrValue, Html};

/// Soundport's mark: sound that leaves a box.
pub(super) fn mark() -> Html {
    picture(
        r#"<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M14 5H8a3 3 0 0 0-3 3v16a3 3 0 0 0 3 3h6"/><path class="wave" d="M12 13v6M17 9v14M22 12v8M27 14.5v3"/></svg>"#,
    )
}

/// Told by shape: a full dot is live, a dashed ring waits, two bars are idle, a crossed ring is gone.
pub(super) fn source_state(state: SourceState) -> Html {
    picture(match state {
        SourceState::Live => {
            r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><circle class="fill" cx="6" cy="6" r="3.4"/></svg>"#
        }
        SourceState::Waiting => {
            r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="4.5" stroke-dasharray="2 2.7"/></svg>"#
        }
        SourceState::Idle => {
            r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><path d="M4 2.5v7M8 2.5v7"/></svg>"#
        }
        SourceState::Lost => {
            r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="4.5"/><path d="M2.9 9.1 9.1 2.9"/></svg>"#
        }
    })
}

/// Sound is heard.
pub(super) fn hearing() -> Html {
    picture(
        r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><path d="M2 4.5v3M6 1.5v9M10 3.5v5"/></svg>"#,
    )
}

/// Connected, and nothing is heard.
pub(super) fn silent() -> Html {
    picture(r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><path d="M1.5 6h9"/></svg>"#)
}

/// Something is under way.
pub(super) fn under_way() -> Html {
    picture(
        r#"<svg class="shape turning" viewBox="0 0 12 12" aria-hidden="true"><path d="M6 1.5a4.5 4.5 0 1 1-4.5 4.5"/></svg>"#,
    )
}

/// Something went wrong.
pub(super) fn trouble() -> Html {
    picture(
        r#"<svg class="shape" viewBox="0 0 12 12" aria-hidden="true"><path d="M6 1.2 11 10.3H1Z" stroke-linejoin="round"/><path d="M6 4.6v2.4M6 8.6v.1"/></svg>"#,
    )
}

/// On the button that starts the sound.
pub(super) fn play() -> Html {
    picture(
        r#"<svg class="glyph" viewBox="0 0 16 16" aria-hidden="true"><path d="M4.5 2.8v10.4L13 8z"/></svg>"#,
    )
}

/// On the button that ends it.
pub(super) fn stop() -> Html {
    picture(
        r#"<svg class="glyph" viewBox="0 0 16 16" aria-hidden="true"><rect x="3.5" y="3.5" width="9" height="9" rx="1"/></svg>"#,
    )
}

/// On the mute button: a loudspeaker, crossed out while muted.
pub(super) fn loudspeaker(muted: bool) -> Html {
    picture(if muted {
        r#"<svg class="glyph line" viewBox="0 0 16 16" aria-hidden="true"><path class="fill" d="M1.5 6v4H4l4 3V3L4 6z"/><path d="m11 6 4 4m0-4-4 4"/></svg>"#
    } else {
        r#"<svg class="glyph line" viewBox="0 0 16 16" aria-hidden="true"><path class="fill" d="M1.5 6v4H4l4 3V3L4 6z"/><path d="M11 5.5a3.5 3.5 0 0 1 0 5M13 3.5a6.2 6.2 0 0 1 0 9"/></svg>"#
    })
}

/// On the button that lets the microphone be heard.
pub(super) fn microphone() -> Html {
    picture(
        r#"<svg class="glyph line" viewBox="0 0 16 16" aria-hidden="true"><rect class="fill" x="5.5" y="1.5" width="5" height="8" rx="2.5"/><path d="M3 7.5a5 5 0 0 0 10 0M8 12.5v2"/></svg>"#,
    )
}

fn picture(svg: &'static str) -> Html {
    Html::from_html_unchecked(AttrValue::Static(svg))
}
