use soundport_api::Source;
use yew::{AttrValue, Callback, Html, MouseEvent, Properties, component, html};

use super::{Controls, Details, Meter, icons};
use crate::hooks::{Board, OpenOutput, SettingsHandle};
use crate::rtc::Report;
use crate::state::Phase;
use crate::words;

/// Everything a card shows.
#[derive(Clone, PartialEq, Properties)]
pub struct CardFaceProps {
    /// The source.
    pub source: Source,
    /// Where its listening stands.
    pub phase: Phase,
    /// Whether there is something to stop.
    pub on: bool,
    /// How it is heard.
    pub settings: SettingsHandle,
    /// Whether another one's solo silences it.
    pub hushed: bool,
    /// Whether it silences the others.
    pub solo: bool,
    /// The way to the loudspeaker, while listening.
    pub output: Option<OpenOutput>,
    /// The last figures, while listening.
    pub report: Option<Report>,
    /// Where levels come from while not listening.
    pub levels: Board<[f32; 2]>,
    /// Silences the others, or lets them be heard again.
    pub turn_solo: Callback<MouseEvent>,
    /// Begins to listen.
    pub listen: Callback<()>,
    /// Stops listening.
    pub stop: Callback<()>,
}

/// A card as it is seen: every part has its place in every state, so that nothing jumps.
#[component]
pub fn CardFace(props: &CardFaceProps) -> Html {
    let source = &props.source;
    let title = AttrValue::from(source.title.clone());
    let heading = format!("source-{}", source.id);
    let settings = &props.settings;
    html! {
        <article
            class={if is_muted(props) { "card muted" } else { "card" }}
            data-source={source.id.clone()}
            data-state={words::phase_name(&props.phase)}
            data-source-state={words::source_state_name(source.state)}
            aria-labelledby={heading.clone()}
        >
            <div class="head">
                <div class="name">
                    <h2 id={heading}><a href={way_to(&source.id)}>{ &title }</a></h2>
                    { standing(props) }
                </div>
                { button(props) }
            </div>
            <p class="note">{ format(props) }{ note(props) }</p>
            <Meter source={source.id.clone()} output={props.output.clone()} levels={props.levels.clone()} />
            <Controls title={&title} settings={settings.clone()} solo={props.solo} on={props.on} turn_solo={&props.turn_solo} />
            <Details {title} settings={settings.clone()} format={source.format.map(words::whole_format)} report={props.report.clone()} />
        </article>
    }
}

/// The address of the page that shows one source alone.
fn way_to(id: &str) -> String {
    format!("#/{}", String::from(js_sys::encode_uri_component(id)))
}

/// The state in words and by shape.
fn standing(props: &CardFaceProps) -> Html {
    let shape = match &props.phase {
        Phase::Ready => icons::source_state(props.source.state),
        Phase::Connecting | Phase::Reconnecting(_) => icons::under_way(),
        Phase::Listening if is_muted(props) => icons::silent(),
        Phase::Listening => icons::hearing(),
        Phase::Silent(_) => icons::silent(),
        Phase::Failed(_) => icons::trouble(),
    };
    let word = match words::phase(&props.phase) {
        Some(_) if props.phase == Phase::Listening && props.hushed => "Muted by solo",
        Some(_) if props.phase == Phase::Listening && is_muted(props) => "Muted",
        Some(word) => word,
        None => words::source_state(props.source.state),
    };
    html! { <p class="word" role="status">{ shape }{ word }</p> }
}

/// Whether nothing can be heard, also because the slider stands at the bottom.
fn is_muted(props: &CardFaceProps) -> bool {
    props.hushed || props.settings.now().gain() == 0.0
}

/// The format in small print, where no failure takes its place.
fn format(props: &CardFaceProps) -> Html {
    match (props.source.format, &props.phase) {
        (Some(_), Phase::Failed(_)) | (None, _) => Html::default(),
        (Some(format), _) => html! { <span class="format">{ words::format(format) }</span> },
    }
}

/// What the state means, and what to do.
fn note(props: &CardFaceProps) -> String {
    match (&props.phase, &props.source.trouble) {
        (Phase::Failed(_), _) | (_, None) if props.phase != Phase::Ready => words::phase_note(&props.phase),
        (_, Some(trouble)) => trouble.clone(),
        (_, None) => words::source_note(props.source.state).to_owned(),
    }
}

/// One button at one place, so that it keeps the focus when it changes its meaning.
fn button(props: &CardFaceProps) -> Html {
    let (action, label, picture, press) = match (props.on, &props.phase) {
        (true, _) => ("stop", "Stop", icons::stop(), &props.stop),
        (false, Phase::Failed(_)) => ("listen", "Try again", icons::play(), &props.listen),
        (false, _) => ("listen", "Listen", icons::play(), &props.listen),
    };
    html! {
        <button
            type="button"
            class={if props.on { "button main on" } else { "button main" }}
            data-action={action}
            aria-label={format!("{label}: {}", props.source.title)}
            onclick={press.reform(|_: MouseEvent| ())}
        >
            { picture }<span>{ label }</span>
        </button>
    }
}
