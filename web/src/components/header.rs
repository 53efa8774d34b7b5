use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::{AttrValue, Callback, Html, InputEvent, MouseEvent, html};

use super::icons;
use crate::desk::Desk;
use crate::state::Link;

/// The name, the way to find a source, and how things stand.
pub(super) fn header(desk: &Desk, shown: usize) -> Html {
    let roster = desk.roster();
    let alone = desk.route().is_some();
    let standing = match (roster.link, roster.sources.len()) {
        (Link::Looking, _) => "Looking for the relay".to_owned(),
        (Link::Down | Link::Strange | Link::Closed, _) => "No relay".to_owned(),
        (Link::Up, _) if alone => String::new(),
        (Link::Up, 0) => "No sources".to_owned(),
        (Link::Up, 1) => "1 source".to_owned(),
        (Link::Up, sources) if shown == sources => format!("{sources} sources"),
        (Link::Up, sources) => format!("{shown} of {sources} match"),
    };
    html! {
        <header class="top">
            <h1>{ icons::mark() }{ "Soundport" }</h1>
            if alone {
                <a class="button" data-action="all" href="#/">{ "All sources" }</a>
            } else if let Some(typed) = desk.typed() {
                { field(typed, desk.callback(find)) }
            }
            if desk.mix().count() > 1 {
                <button type="button" class="button" data-action="stop-all" onclick={desk.callback(|desk, _: MouseEvent| desk.turn_all(false))}>{ "Stop all" }</button>
            }
            <p class="standing" role="status">{ standing }</p>
        </header>
    }
}

fn field(typed: AttrValue, oninput: Callback<InputEvent>) -> Html {
    html! {
        <input
            type="search"
            data-action="filter"
            aria-label="Find a source"
            placeholder="Find a source"
            value={typed}
            {oninput}
        />
    }
}

fn find(desk: &Desk, event: InputEvent) {
    let field = event.target().and_then(|field| field.dyn_into::<HtmlInputElement>().ok());
    desk.find(field.map(|field| field.value()).unwrap_or_default());
}
