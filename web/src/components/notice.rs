use std::rc::Rc;

use yew::{Html, Properties, component, html};

use super::CopyLine;
use crate::hooks::Link;
use crate::relay::{Base, pulse_command};

/// What there is to say above the cards.
#[derive(Clone, PartialEq, Properties)]
pub struct NoticeProps {
    /// Whether the relay answers.
    pub link: Link,
    /// Where the relay is.
    pub base: Rc<Base>,
    /// Whether there is no card to show.
    pub empty: bool,
}

/// Says what to do when there is no relay, or no source.
#[component]
pub fn Notice(props: &NoticeProps) -> Html {
    match (props.link, props.empty) {
        (Link::Looking, _) => html! {},
        (Link::Down, empty) => no_relay(&props.base, empty),
        (Link::Strange, _) => strange(&props.base),
        (Link::Up, true) => no_source(&props.base),
        (Link::Up, false) => html! {},
    }
}

fn no_relay(base: &Base, alone: bool) -> Html {
    let class = if alone { "notice alone" } else { "notice" };
    html! {
        <section {class} role="status" data-notice="no-relay">
            <h2>{ "The relay does not answer" }</h2>
            if let Some(address) = base.elsewhere() {
                <p>
                    { "It should be at " }<a href={address.to_owned()}>{ address.to_owned() }</a>
                    { ". Open that address once: if the browser warns of its certificate, accept it, and come back." }
                </p>
            }
            <p>{ "Start it with " }<code>{ "soundport serve" }</code>{ ". This page finds it again by itself." }</p>
        </section>
    }
}

fn strange(base: &Base) -> Html {
    html! {
        <section class="notice alone" role="status" data-notice="no-relay">
            <h2>{ "This is not a relay" }</h2>
            <p>
                { "Something answers at " }<code>{ base.host() }</code>
                { ", but not as Soundport does. Name the relay in this page’s address: " }
                <code>{ "?relay=https://host:8443" }</code>
            </p>
        </section>
    }
}

fn no_source(base: &Base) -> Html {
    html! {
        <section class="notice alone" data-notice="no-source">
            <h2>{ "No source yet" }</h2>
            <p>{ "Send the sound of a container here. In the container, with PulseAudio, type:" }</p>
            <CopyLine line={pulse_command(&base.host())} />
            <p class="aside">
                { "The address is this relay’s as the container sees it, under Docker often " }<code>{ "172.17.0.1" }</code>
                { ". To hear something right away, start the relay with " }<code>{ "--demo" }</code>{ "." }
            </p>
        </section>
    }
}
