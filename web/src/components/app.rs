use std::rc::Rc;

use soundport_api::Source;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::{AttrValue, Callback, Html, InputEvent, MouseEvent, component, html};
use yew::{use_memo, use_state_eq};

use super::{Header, Notice, SourceCard};
use crate::hooks::{use_desk, use_levels, use_route, use_sources};
use crate::relay::Base;
use crate::state::{Link, is_meant};

/// From so many sources on there is a field to find one.
const MANY_SOURCES: usize = 8;

/// Levels are asked for so many sources at most: addresses have an end.
const MOST_LEVELS: usize = 64;

/// The page.
#[component]
pub fn App() -> Html {
    let base: Rc<Base> = use_memo((), |()| Base::of_page());
    let route = use_route();
    let typed = use_state_eq(AttrValue::default);
    let sources = use_sources(&base);
    let (list, link) = (sources.list(), sources.link());
    let named = list.iter().find(|source| route.as_deref() == Some(&source.id));
    let page = named.map(|named| AttrValue::from(named.title.clone())).or_else(|| route.clone());
    let desk = use_desk(&sources, page);
    let many = list.len() >= MANY_SOURCES || !typed.is_empty();
    let is_shown = |source: &Source| match &route {
        Some(id) => source.id == id.as_str(),
        None => !many || is_meant(source, &typed),
    };
    let shown: Vec<&Source> = list.iter().filter(|source| is_shown(source)).collect();
    let unheard = shown.iter().filter(|source| !desk.now().is_on(&source.id)).take(MOST_LEVELS);
    let wanted: Vec<String> = unheard.map(|source| js_sys::encode_uri_component(&source.id).into()).collect();
    use_levels(&sources, wanted.join(","));
    let find = Callback::from({
        let typed = typed.setter();
        move |event: InputEvent| {
            let field = event.target().and_then(|field| field.dyn_into::<HtmlInputElement>().ok());
            typed.set(field.map(|field| field.value()).unwrap_or_default().into());
        }
    });
    let instance = sources.instance().map(|instance| AttrValue::from(instance.to_owned()));
    let kind = if route.is_some() { "cards alone" } else { "cards" };
    html! {
        <>
            <Header
                {link}
                sources={list.len()}
                shown={shown.len()}
                playing={desk.now().count()}
                alone={route.is_some()}
                typed={(many).then(|| (*typed).clone())}
                {find}
                stop_all={desk.turn_all.reform(|_: MouseEvent| false)}
            />
            <main>
                <Notice
                    {link}
                    base={Rc::clone(&base)}
                    empty={list.is_empty()}
                    nothing_shown={shown.is_empty()}
                    route={route.clone()}
                    trouble={sources.trouble().map(|trouble| AttrValue::from(trouble.to_owned()))}
                    asks={list.iter().any(|source| desk.now().asks(&source.id))}
                    resume={Callback::from({ let desk = desk.clone(); move |_: MouseEvent| desk.resume() })}
                />
                if !list.is_empty() {
                    <ul class={kind} aria-label="Sources">
                        // What is listened to goes on when it is not shown.
                        for source in list.iter().filter(|source| is_shown(source) || desk.now().is_on(&source.id)) {
                            <li key={source.id.clone()} hidden={!is_shown(source)}>
                                <SourceCard
                                    source={source.clone()}
                                    base={Rc::clone(&base)}
                                    reached={link == Link::Up}
                                    instance={instance.clone()}
                                    desk={desk.clone()}
                                    levels={sources.levels.clone()}
                                />
                            </li>
                        }
                    </ul>
                }
            </main>
        </>
    }
}
