use yew::{Html, Properties, component, html};

use super::icons;
use crate::hooks::Link;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Properties)]
pub struct HeaderProps {
    /// Whether the relay answers.
    pub link: Link,
    /// How many sources are shown.
    pub sources: usize,
}

/// The name, and how things stand.
#[component]
pub fn Header(props: &HeaderProps) -> Html {
    let standing = match (props.link, props.sources) {
        (Link::Looking, _) => "Looking for the relay".to_owned(),
        (Link::Down | Link::Strange, _) => "No relay".to_owned(),
        (Link::Up, 0) => "No sources".to_owned(),
        (Link::Up, 1) => "1 source".to_owned(),
        (Link::Up, sources) => format!("{sources} sources"),
    };
    html! {
        <header class="top">
            <h1>{ icons::mark() }{ "Soundport" }</h1>
            <p class="standing" role="status">{ standing }</p>
        </header>
    }
}
