use gloo_events::EventListener;
use yew::{AttrValue, hook, use_effect_with, use_state_eq};

/// The id of the source that the page's address names after its hash (`#/desktop`); none where all are to be shown.
#[hook]
pub fn use_route() -> Option<AttrValue> {
    let route = use_state_eq(named_in_address);
    use_effect_with((), {
        let setter = route.setter();
        move |()| {
            let listener = web_sys::window().map(|window| {
                EventListener::new(&window, "hashchange", move |_| setter.set(named_in_address()))
            });
            move || drop(listener)
        }
    });
    (*route).clone()
}

fn named_in_address() -> Option<AttrValue> {
    let hash = web_sys::window()?.location().hash().ok()?;
    let named = hash.strip_prefix("#/").filter(|named| !named.is_empty())?;
    // What is no percent-encoding is taken as it stands.
    let id = js_sys::decode_uri_component(named).map_or_else(|_| named.to_owned(), String::from);
    Some(id.into())
}
