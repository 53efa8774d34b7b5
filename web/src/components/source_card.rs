use soundport_api::Source;
use yew::{Callback, Html, Properties, component, html};

use super::button::Button;
use super::{Meter, controls, details, icons, talk};
use crate::desk::{Act, LevelBoard, View};
use crate::state::{Phase, Way};
use crate::words;

/// Everything a card shows.
#[derive(Clone, PartialEq, Properties)]
pub struct SourceCardProps {
    /// The source.
    pub source: Source,
    /// How its listening stands.
    pub view: View,
    /// Where levels come from while not listening.
    pub levels: LevelBoard,
    /// Told what the user does.
    pub act: Callback<Act>,
}

/// One source, and where to hear it: every part has its place in every state, so that nothing jumps.
#[component]
pub fn SourceCard(props: &SourceCardProps) -> Html {
    let source = &props.source;
    let heading = format!("source-{}", source.id);
    let view = &props.view;
    html! {
        <article
            class="card"
            data-muted={is_muted(props).then_some("")}
            data-source={source.id.clone()}
            data-talk-way={view.talk.way.map(words::way_name)}
            data-talk={source.talk.then(|| words::standing_name(view.talk.talking.standing()))}
            data-state={words::phase_name(&props.view.phase)}
            data-way={view.way.map(words::way_name)}
            data-source-state={words::source_state_name(source.state)}
            aria-labelledby={heading.clone()}
        >
            <div class="head">
                <div class="name">
                    <h2 id={heading}><a href={way_to(&source.id)}>{ &source.title }</a></h2>
                    { standing(props) }
                </div>
                { button(props) }
            </div>
            <p class="note">{ small_print(props) }</p>
            <Meter source={source.id.clone()} gauge={view.gauge.clone()} levels={props.levels.clone()} />
            { controls::controls(&source.title, view, &props.act) }
            if source.talk {
                { talk::talk(source, view, &props.levels, &props.act) }
            }
            { details::details(source, view, &props.act) }
        </article>
    }
}

/// The address of the page that shows one source alone.
fn way_to(id: &str) -> String {
    format!("#/{}", String::from(js_sys::encode_uri_component(id)))
}

/// The state in words and by shape.
fn standing(props: &SourceCardProps) -> Html {
    let shape = match &props.view.phase {
        Phase::Ready => icons::source_state(props.source.state),
        Phase::Connecting | Phase::Reconnecting(_) => icons::under_way(),
        Phase::Listening if is_muted(props) => icons::silent(),
        Phase::Listening => icons::hearing(),
        Phase::Silent(_) => icons::silent(),
        Phase::Failed(_) => icons::trouble(),
    };
    let word = match words::phase(&props.view.phase) {
        Some(_) if props.view.phase == Phase::Listening && props.view.hushed => "Muted by solo",
        Some(_) if props.view.phase == Phase::Listening && is_muted(props) => "Muted",
        Some(word) => word,
        None => words::source_state(props.source.state),
    };
    html! { <p class="word" role="status">{ shape }{ word }</p> }
}

/// Whether nothing can be heard, also because the slider stands at the bottom.
fn is_muted(props: &SourceCardProps) -> bool {
    props.view.hushed || props.view.settings.gain() == 0.0
}

/// The format, what the state means, and what to do. A failure needs the room alone.
fn small_print(props: &SourceCardProps) -> String {
    let (source, phase) = (&props.source, &props.view.phase);
    let note = match (phase, &source.trouble) {
        (Phase::Failed(_), _) => {
            let hint = props.view.hint.as_deref().unwrap_or_default();
            return format!("{} {hint}", words::phase_note(phase)).trim_end().to_owned();
        }
        (_, Some(trouble)) => trouble.clone(),
        (Phase::Ready | Phase::Silent(_), None) if source.room => words::ROOM_NOTE.to_owned(),
        (Phase::Ready, None) => words::source_note(source.state).to_owned(),
        (Phase::Listening, None) if props.view.way == Some(Way::Stream) => words::STREAM_NOTE.to_owned(),
        (_, None) => words::phase_note(phase),
    };
    match source.format.map(words::format) {
        Some(format) if note.is_empty() => format,
        Some(format) => format!("{format}. {note}"),
        None => note,
    }
}

/// One button at one place, so that it keeps the focus when it changes its meaning.
fn button(props: &SourceCardProps) -> Html {
    let on = props.view.on;
    let (action, label, picture, act) = match (on, &props.view.phase) {
        (true, _) => ("stop", "Stop", icons::stop(), Act::Stop),
        (false, Phase::Failed(_)) => ("listen", "Try again", icons::play(), Act::Listen),
        (false, _) => ("listen", "Listen", icons::play(), Act::Listen),
    };
    let button = Button {
        action,
        name: format!("{label}: {}", props.source.title),
        face: html! { <>{ picture }<span>{ label }</span></> },
        pressed: None,
        enabled: true,
        act: Some(act),
    };
    button.draw(&props.act)
}
