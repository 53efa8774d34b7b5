use yew::{Html, MouseEvent, html};

use super::copy_line::copy_line;
use crate::desk::Desk;
use crate::relay::{Base, pulse_command};
use crate::rtc;
use crate::state::Link;

/// Says what to do: when there is no relay or no card to show, and when the browser stands in the way.
pub(super) fn notices(desk: &Desk, nothing_shown: bool) -> Html {
    let mut notices = vec![];
    if !rtc::abilities().webrtc && !rtc::abilities().stream {
        notices.push(quiet(
            "no-webrtc",
            "This browser has no WebRTC. Open this page in another, or switch WebRTC on.",
        ));
    }
    if desk.asks() {
        notices.push(resume(desk));
    }
    let roster = desk.roster();
    if let Some(relay) = &roster.relay {
        let troubles = [("trouble", &relay.trouble), ("ice-trouble", &relay.ice_trouble)];
        notices.extend(troubles.into_iter().filter_map(|(name, said)| Some(quiet(name, said.as_ref()?))));
    }
    let (base, empty) = (desk.base(), roster.sources.is_empty());
    match (roster.link, desk.route()) {
        (Link::Down, _) => notices.push(no_relay(base, empty)),
        (Link::Strange, _) => notices.push(strange()),
        (Link::Closed, _) => notices.push(closed()),
        (Link::Up, Some(id)) if nothing_shown => {
            notices.push(quiet(
                "unknown-source",
                &format!("No source is called {id} yet. It appears here when it does."),
            ));
        }
        (Link::Up, None) if empty => notices.push(no_source(desk)),
        (Link::Up, None) if nothing_shown => {
            notices.push(quiet("no-match", "No source is called so. Type less of its name."));
        }
        (Link::Up | Link::Looking, _) => {}
    }
    if is_insecure() {
        notices.push(quiet("insecure", "Listening works here. To talk, open this page over https."));
    }
    notices.into_iter().collect()
}

/// One sentence, quietly.
fn quiet(name: &'static str, sentence: &str) -> Html {
    html! { <p class="notice quiet" role="status" data-notice={name}>{ sentence }</p> }
}

fn loud(name: &'static str, alone: bool, title: &'static str, body: Html) -> Html {
    html! {
        <section class="notice" role="status" data-notice={name} data-alone={alone.then_some("")}>
            <h2>{ title }</h2>
            { body }
        </section>
    }
}

fn resume(desk: &Desk) -> Html {
    let onclick = desk.callback(|desk, _: MouseEvent| desk.resume());
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
            { written("<p>Start it with <code>soundport serve</code>. This page finds it again by itself.</p>") }
        </>
    };
    loud("no-relay", alone, "The relay does not answer", body)
}

fn strange() -> Html {
    let body = written(
        "<p>Something answers, but not as Soundport does. Name the relay in this page’s address: <code>?relay=https://host:8443</code></p>",
    );
    loud("no-relay", true, "This is not a relay", body)
}

fn closed() -> Html {
    let origin = web_sys::window().and_then(|window| window.location().origin().ok());
    let body = html! {
        <p>
            { "It answers, but does not allow this page’s origin. Start it with " }
            <code>{ "--origin " }{ origin.unwrap_or_default() }</code>{ "." }
        </p>
    };
    loud("closed", true, "The relay does not allow this page", body)
}

fn no_source(desk: &Desk) -> Html {
    let body = html! {
        <>
            { written("<p>Send the sound of a container here. In the container, with PulseAudio, type:</p>") }
            { copy_line(desk, pulse_command(&desk.base().host())) }
            { written(
                "<p class='aside'>The address is this relay’s as the container sees it, under Docker often <code>172.17.0.1</code>. \
                 To hear something right away, start the relay with <code>--demo</code>.</p>",
            ) }
        </>
    };
    loud("no-source", true, "No source yet", body)
}

/// What never changes, as one text: as elements it would weigh more.
fn written(html: &'static str) -> Html {
    Html::from_html_unchecked(html.into())
}

/// Whether the browser gives no microphone here: over plain HTTP from another machine.
fn is_insecure() -> bool {
    web_sys::window().is_some_and(|window| !window.is_secure_context())
}
