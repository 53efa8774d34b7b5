use yew::{AttrValue, Callback, Html, InputEvent, MouseEvent, Properties, component, html};

use super::icons;
use crate::state::Link;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Properties)]
pub struct HeaderProps {
    /// Whether the relay answers.
    pub link: Link,
    /// How many sources there are.
    pub sources: usize,
    /// How many of them are shown.
    pub shown: usize,
    /// How many are listened to.
    pub playing: usize,
    /// Whether one source is shown alone.
    pub alone: bool,
    /// What was typed to find a source; none where there are few.
    pub typed: Option<AttrValue>,
    /// Told what is typed.
    pub find: Callback<InputEvent>,
    /// Stops everything.
    pub stop_all: Callback<MouseEvent>,
}

/// The name, the way to find a source, and how things stand.
#[component]
pub fn Header(props: &HeaderProps) -> Html {
    let standing = match (props.link, props.sources) {
        (Link::Looking, _) => "Looking for the relay".to_owned(),
        (Link::Down | Link::Strange, _) => "No relay".to_owned(),
        (Link::Up, 0) => "No sources".to_owned(),
        (Link::Up, 1) => "1 source".to_owned(),
        (Link::Up, sources) if props.shown == sources || props.alone => format!("{sources} sources"),
        (Link::Up, sources) => format!("{} of {sources} match", props.shown),
    };
    html! {
        <header class="top">
            <h1>{ icons::mark() }{ "Soundport" }</h1>
            if props.alone {
                <a class="button" data-action="all" href="#/">{ "All sources" }</a>
            } else if let Some(typed) = &props.typed {
                <input
                    type="search"
                    data-action="filter"
                    aria-label="Find a source"
                    placeholder="Find a source"
                    value={typed}
                    oninput={&props.find}
                />
            }
            if props.playing > 1 {
                <button type="button" class="button" data-action="stop-all" onclick={&props.stop_all}>{ "Stop all" }</button>
            }
            <p class="standing" role="status">{ standing }</p>
        </header>
    }
}
