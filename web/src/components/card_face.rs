use soundport_api::Source;
use yew::{AttrValue, Callback, Html, MouseEvent, Properties, component, html};

use super::{Details, Meter, VolumeControl, icons};
use crate::hooks::{OpenOutput, VolumeHandle};
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
    /// Its volume.
    pub volume: VolumeHandle,
    /// The way to the loudspeaker, while listening.
    pub output: Option<OpenOutput>,
    /// The last figures, while listening.
    pub report: Option<Report>,
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
    html! {
        <article
            class={if is_muted(props) { "card muted" } else { "card" }}
            data-source={source.id.clone()}
            data-state={words::phase_name(&props.phase)}
            aria-labelledby={heading.clone()}
        >
            <div class="head">
                <div class="name">
                    <h2 id={heading}>{ &title }</h2>
                    { standing(props) }
                </div>
                { button(props) }
            </div>
            <p class="note">{ note(props) }</p>
            <Meter output={props.output.clone()} />
            <VolumeControl {title} volume={props.volume.clone()} />
            <Details report={props.report.clone()} />
        </article>
    }
}

/// The state in words and by shape, and the format in small print.
fn standing(props: &CardFaceProps) -> Html {
    let source = &props.source;
    let shape = match &props.phase {
        Phase::Ready => icons::source_state(source.state),
        Phase::Connecting | Phase::Reconnecting(_) => icons::under_way(),
        Phase::Listening if is_muted(props) => icons::silent(),
        Phase::Listening => icons::hearing(),
        Phase::Silent(_) => icons::silent(),
        Phase::Failed(_) => icons::trouble(),
    };
    let word = match words::phase(&props.phase) {
        Some(_) if props.phase == Phase::Listening && is_muted(props) => "Muted",
        Some(word) => word,
        None => words::source_state(source.state),
    };
    html! {
        <p class="standing">
            <span class="word" role="status">{ shape }{ word }</span>
            if let Some(format) = source.format {
                <span class="format">{ words::format(format) }</span>
            }
        </p>
    }
}

/// Whether nothing can be heard, also because the slider stands at the bottom.
fn is_muted(props: &CardFaceProps) -> bool {
    props.volume.volume().gain() == 0.0
}

/// What the state means, and what to do.
fn note(props: &CardFaceProps) -> String {
    match &props.phase {
        Phase::Ready => words::source_note(props.source.state).to_owned(),
        phase => words::phase_note(phase),
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
