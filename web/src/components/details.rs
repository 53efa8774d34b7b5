use soundport_api::Source;
use yew::{Callback, Html, html};

use super::button::Button;
use crate::desk::{Act, View};
use crate::rtc;
use crate::store::Settings;
use crate::words;

/// The choice of delay, and the figures of the connection, one click away.
pub(super) fn details(source: &Source, view: &View, act: &Callback<Act>) -> Html {
    let report = view.report.clone().unwrap_or_default();
    let figures = [
        ("Format", source.format.map(words::whole_format)),
        ("Codec", report.codec),
        ("Bitrate", report.bits_per_sec.map(words::kilobits)),
        ("Packets lost", report.lost.map(words::percent)),
        ("Jitter", report.jitter_millis.map(words::millis)),
        ("Made-up sound", report.concealed.map(words::percent)),
        ("Buffer", report.buffer_millis.map(words::millis)),
        ("Round trip", report.round_trip_millis.map(words::millis)),
    ];
    let way = view.way.map(|way| words::way(way, report.port));
    html! {
        <details class="details">
            <summary>
                { "Details" }
                if let Some(label) = view.way.and_then(words::way_label) {
                    <span>{ label }</span>
                }
            </summary>
            { delay(source, view.settings, report.delay_millis, act) }
            <dl>
                for (name, figure) in figures {
                    <div>
                        <dt>{ name }</dt>
                        <dd>{ figure.unwrap_or_else(|| "–".to_owned()) }</dd>
                    </div>
                }
                <div class="way">
                    <dt>{ "Way" }</dt>
                    <dd data-detail="way" data-session={view.session.clone()}>{ way.unwrap_or_else(|| "–".to_owned()) }</dd>
                </div>
            </dl>
            if let Some(hint) = &view.hint {
                <p class="hint" data-hint="media">{ hint }</p>
            }
        </details>
    }
}

/// The choice, with the measured delay beside it.
fn delay(source: &Source, settings: Settings, measured_millis: Option<f64>, act: &Callback<Act>) -> Html {
    let enabled = rtc::abilities().delay;
    let choice = |action, face: &'static str, robust| Button {
        action,
        name: format!("{face}: {}", source.title),
        face: face.into(),
        pressed: Some(settings.robust == robust),
        enabled,
        act: Some(Act::Set(Settings { robust, ..settings })),
    };
    let measured = measured_millis.map(words::millis);
    let said = match (measured, enabled) {
        (Some(measured), _) => format!("Delay {measured}"),
        (None, true) => "Delay –".to_owned(),
        (None, false) => "This browser chooses the delay by itself.".to_owned(),
    };
    html! {
        <div class="delay">
            { choice("delay-low", "Low delay", false).draw(act) }
            { choice("delay-robust", "Robust", true).draw(act) }
            <span>{ said }</span>
        </div>
    }
}
