use std::rc::Rc;

use yew::{AttrValue, Callback, Html, MouseEvent, Properties, component, html};

use super::CopyLine;
use crate::relay::{Base, pulse_command};
use crate::rtc;
use crate::state::Link;

/// What there is to say above the cards.
#[derive(Clone, PartialEq, Properties)]
pub struct NoticeProps {
    /// Whether the relay answers.
    pub link: Link,
    /// Where the relay is.
    pub base: Rc<Base>,
    /// Whether there is no source.
    pub empty: bool,
    /// Whether there is no card to show.
    pub nothing_shown: bool,
    /// The source that is to be shown alone.
    pub route: Option<AttrValue>,
    /// What is wrong with the relay, in its own words.
    pub trouble: Option<AttrValue>,
    /// Whether something that played waits for a click.
    pub asks: bool,
    /// Lets it play again.
    pub resume: Callback<MouseEvent>,
}

/// Says what to do: when there is no relay or no source, and when the browser stands in the way.
#[component]
pub fn Notice(props: &NoticeProps) -> Html {
    let base = &*props.base;
    html! {
        <>
            if !rtc::abilities().webrtc {
                { quiet("no-webrtc", "This browser has no WebRTC, so it cannot play. Open this page in another, or switch WebRTC on.".into()) }
            }
            if props.asks { { resume(&props.resume) } }
            if let Some(trouble) = &props.trouble { { quiet("trouble", trouble.clone()) } }
            { main_notice(props, base) }
            if is_insecure() {
                { quiet("insecure", "Listening works here. Speaking into a container needs https.".into()) }
            }
        </>
    }
}

fn main_notice(props: &NoticeProps, base: &Base) -> Html {
    match (props.link, &props.route) {
        (Link::Looking, _) => Html::default(),
        (Link::Down, _) => no_relay(base, props.empty),
        (Link::Strange, _) => strange(base),
        (Link::Up, Some(id)) if props.nothing_shown => quiet(
            "unknown-source",
            format!("No source is called {id} yet. It appears here when it does.").into(),
        ),
        (Link::Up, None) if props.empty => no_source(base),
        (Link::Up, None) if props.nothing_shown => {
            quiet("no-match", "No source is called so. Type less of its name.".into())
        }
        (Link::Up, _) => Html::default(),
    }
}

/// One sentence, quietly.
fn quiet(name: &'static str, sentence: AttrValue) -> Html {
    html! { <p class="notice quiet" role="status" data-notice={name}>{ sentence }</p> }
}

fn loud(name: &'static str, alone: bool, title: &'static str, body: Html) -> Html {
    html! {
        <section class={if alone { "notice alone" } else { "notice" }} role="status" data-notice={name}>
            <h2>{ title }</h2>
            { body }
        </section>
    }
}

fn resume(onclick: &Callback<MouseEvent>) -> Html {
    html! {
        <section class="notice quiet" role="status" data-notice="resume">
            <p>{ "The browser waits for a click before it plays again." }</p>
            <button type="button" class="button main wide" data-action="resume" {onclick}>{ "Press to go on listening" }</button>
        </section>
    }
}

fn no_relay(base: &Base, alone: bool) -> Html {
    let body = html! {
        <>
            if let Some(address) = base.elsewhere() {
                <p>
                    { "It should be at " }<a href={address.to_owned()}>{ address.to_owned() }</a>
                    { ". Open that address once: if the browser warns of its certificate, accept it, and come back." }
                </p>
            }
            <p>{ "Start it with " }<code>{ "soundport serve" }</code>{ ". This page finds it again by itself." }</p>
        </>
    };
    loud("no-relay", alone, "The relay does not answer", body)
}

fn strange(base: &Base) -> Html {
    let body = html! {
        <p>
            { "Something answers at " }<code>{ base.host() }</code>
            { ", but not as Soundport does. Name the relay in this page’s address: " }
            <code>{ "?relay=https://host:8443" }</code>
        </p>
    };
    loud("no-relay", true, "This is not a relay", body)
}

fn no_source(base: &Base) -> Html {
    let body = html! {
        <>
            <p>{ "Send the sound of a container here. In the container, with PulseAudio, type:" }</p>
            <CopyLine line={pulse_command(&base.host())} />
            <p class="aside">
                { "The address is this relay’s as the container sees it, under Docker often " }<code>{ "172.17.0.1" }</code>
                { ". To hear something right away, start the relay with " }<code>{ "--demo" }</code>{ "." }
            </p>
        </>
    };
    loud("no-source", true, "No source yet", body)
}

/// Whether the browser gives no microphone here: over plain HTTP from another machine.
fn is_insecure() -> bool {
    web_sys::window().is_some_and(|window| !window.is_secure_context())
}
