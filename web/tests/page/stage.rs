//! A place to put parts of the page, with a relay that is played by a few lines.

use gloo_timers::future::TimeoutFuture;
use soundport_api::{Encoding, Format, Found, Source, SourceState};
use soundport_web::components::{App, CardFace};
use soundport_web::hooks::use_volume;
use soundport_web::state::Phase;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, HtmlElement, HtmlInputElement};
use yew::{AttrValue, Callback, Html, Properties, component, html};

#[wasm_bindgen(inline_js = "
    const relay = { list: '[]', status: 0, offers: [] };
    export function play(list) { relay.list = list; relay.status = 0; relay.offers = []; }
    export function refuse(status) { relay.status = status; }
    export function offers() { return relay.offers; }
    export function input(slider) { slider.dispatchEvent(new Event('input', { bubbles: true })); }
    const others = window.fetch;
    window.fetch = async (url, options) => {
        const at = String(url);
        if (!at.includes('/api/') && !at.includes('/whep/')) return others.call(window, url, options);
        if (relay.status < 0) throw new TypeError('nobody there');
        if (at.includes('/api/sources')) return new Response(relay.list);
        relay.offers.push(options.body);
        if (relay.status > 0) return new Response('{}', { status: relay.status });
        return new Promise(() => {});
    };
")]
extern "C" {
    fn play(list: &str);
    fn refuse(status: i32);
    fn offers() -> js_sys::Array;
    fn input(slider: &Element);
}

/// How long something may take to come about, in looks 10 ms apart.
const LOOKS: u32 = 800;

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if so() {
            return;
        }
        TimeoutFuture::new(10).await;
    }
    panic!("waited in vain for {what}");
}

/// A source with a title made of its id.
pub(crate) fn source(id: &str, state: SourceState) -> Source {
    let title = format!("{}{}", id[..1].to_uppercase(), &id[1..]);
    let format = Some(Format { encoding: Encoding::L16, rate: 48_000, channels: 2, found: Found::Assumed });
    Source { id: id.into(), title, state, format, talk: false, listeners: 0, trouble: None }
}

/// Forgets every volume.
pub(crate) fn forget_everything() {
    web_sys::window().unwrap().local_storage().unwrap().unwrap().clear().unwrap();
}

/// Something of the page, mounted; taken away when dropped.
pub(crate) struct Stage {
    root: Element,
    take_away: Option<Box<dyn FnOnce()>>,
}

impl Stage {
    /// One card as it looks in a state.
    pub(crate) async fn card(source: Source, phase: Phase) -> Self {
        let root = root();
        let props = FaceProps { source, phase };
        let handle = yew::Renderer::<Face>::with_root_and_props(root.clone(), props).render();
        let stage = Self { root, take_away: Some(Box::new(move || handle.destroy())) };
        until("the card", || stage.find(".card").is_some()).await;
        stage
    }

    /// The whole page, with a relay that lists live sources with these ids, and never answers an offer.
    pub(crate) async fn app(ids: &[&str]) -> Self {
        let list: Vec<Source> = ids.iter().map(|id| source(id, SourceState::Live)).collect();
        play(&serde_json::to_string(&list).unwrap());
        let root = root();
        let handle = yew::Renderer::<App>::with_root(root.clone()).render();
        let stage = Self { root, take_away: Some(Box::new(move || handle.destroy())) };
        let first = if ids.is_empty() { "[data-notice]" } else { ".card" };
        until("the page", || stage.find(first).is_some()).await;
        stage
    }

    /// Takes the part away, and waits until it is.
    pub(crate) async fn close(self) {
        let root = self.root.clone();
        drop(self);
        until("the end of the page", || !root.is_connected()).await;
    }

    /// From here on the relay does not answer.
    pub(crate) fn relay_goes_away(&self) {
        refuse(-1);
    }

    /// From here on the relay refuses every offer.
    pub(crate) fn relay_refuses(&self, status: i32) {
        refuse(status);
    }

    /// The offers that the relay was sent.
    pub(crate) fn offers(&self) -> Vec<String> {
        offers().iter().filter_map(|offer| offer.as_string()).collect()
    }

    /// An element, if it is there.
    pub(crate) fn find(&self, selector: &str) -> Option<Element> {
        self.root.query_selector(selector).unwrap()
    }

    /// An element that must be there.
    pub(crate) fn one(&self, selector: &str) -> Element {
        self.find(selector).unwrap_or_else(|| panic!("no {selector} in {}", self.root.inner_html()))
    }

    /// An element's attribute.
    pub(crate) fn attribute(&self, selector: &str, name: &str) -> String {
        self.one(selector).get_attribute(name).unwrap_or_default()
    }

    /// An element's text.
    pub(crate) fn text(&self, selector: &str) -> String {
        self.one(selector).text_content().unwrap_or_default()
    }

    /// Clicks.
    pub(crate) fn click(&self, selector: &str) {
        self.html(selector).click();
    }

    /// Gives the keyboard to an element.
    pub(crate) fn focus(&self, selector: &str) {
        self.html(selector).focus().unwrap();
    }

    /// Whether an element has the keyboard.
    pub(crate) fn has_focus(&self, selector: &str) -> bool {
        document().active_element() == Some(self.one(selector))
    }

    /// Moves a slider.
    pub(crate) fn slide(&self, selector: &str, to: u8) {
        let slider: HtmlInputElement = self.one(selector).dyn_into().unwrap();
        slider.set_value(&to.to_string());
        input(&slider);
    }

    fn html(&self, selector: &str) -> HtmlElement {
        self.one(selector).dyn_into().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(take_away) = self.take_away.take() {
            take_away();
        }
        self.root.remove();
    }
}

#[derive(Clone, PartialEq, Properties)]
struct FaceProps {
    source: Source,
    phase: Phase,
}

#[component]
fn Face(props: &FaceProps) -> Html {
    let volume = use_volume(&AttrValue::from(props.source.id.clone()));
    let on = !matches!(props.phase, Phase::Ready | Phase::Failed(_));
    let nothing = Callback::from(|()| ());
    html! {
        <CardFace
            source={props.source.clone()}
            phase={props.phase.clone()}
            {on}
            {volume}
            output={None}
            report={None}
            listen={nothing.clone()}
            stop={nothing}
        />
    }
}

fn root() -> Element {
    let root = document().create_element("div").unwrap();
    document().body().unwrap().append_child(&root).unwrap();
    root
}

fn document() -> Document {
    web_sys::window().unwrap().document().unwrap()
}
