use yew::{AttrValue, Html, MouseEvent, Properties, component, html};

use super::toggle::Toggle;
use crate::hooks::SettingsHandle;
use crate::rtc::{self, Report};
use crate::store::Settings;
use crate::words;

/// What to show.
#[derive(Clone, PartialEq, Properties)]
pub struct DetailsProps {
    /// The source's title, for screen readers.
    pub title: AttrValue,
    /// Its format with all that is known of it.
    pub format: Option<String>,
    /// Its settings.
    pub settings: SettingsHandle,
    /// The last figures; none while not listening.
    pub report: Option<Report>,
}

/// The choice of delay, and the figures of the connection, one click away.
#[component]
pub fn Details(props: &DetailsProps) -> Html {
    let report = props.report.clone().unwrap_or_default();
    let figures = [
        ("Format", props.format.clone()),
        ("Codec", report.codec),
        ("Bitrate", report.bits_per_sec.map(words::kilobits)),
        ("Packets lost", report.lost.map(words::percent)),
        ("Jitter", report.jitter_millis.map(words::millis)),
        ("Made-up sound", report.concealed.map(words::percent)),
        ("Buffer", report.buffer_millis.map(words::millis)),
        ("Round trip", report.round_trip_millis.map(words::millis)),
        ("Way", report.transport),
    ];
    html! {
        <details class="details">
            <summary>{ "Details" }</summary>
            { delay(props, report.delay_millis) }
            <dl>
                for (name, figure) in figures {
                    <div>
                        <dt>{ name }</dt>
                        <dd>{ figure.unwrap_or_else(|| "–".to_owned()) }</dd>
                    </div>
                }
            </dl>
        </details>
    }
}

/// The choice, with the measured delay beside it.
fn delay(props: &DetailsProps, measured_millis: Option<f64>) -> Html {
    let settings = props.settings.now();
    let enabled = rtc::abilities().delay;
    let choice = |action, face: &'static str, robust| Toggle {
        action,
        name: format!("{face}: {}", props.title).into(),
        face: face.into(),
        pressed: settings.robust == robust,
        enabled,
        onclick: props.settings.set.reform(move |_: MouseEvent| Settings { robust, ..settings }),
    };
    let measured = measured_millis.map(words::millis);
    let said = match (measured, enabled) {
        (Some(measured), _) => format!("Delay {measured}"),
        (None, true) => "Delay –".to_owned(),
        (None, false) => "This browser chooses the delay by itself.".to_owned(),
    };
    html! {
        <div class="delay">
            { choice("delay-low", "Low delay", false) }
            { choice("delay-robust", "Robust", true) }
            <span>{ said }</span>
        </div>
    }
}
