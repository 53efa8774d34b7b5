use yew::{Html, Properties, component, html};

use crate::rtc::Report;
use crate::words;

/// The figures to show.
#[derive(Debug, Clone, PartialEq, Properties)]
pub struct DetailsProps {
    /// The last figures; none while not listening.
    pub report: Option<Report>,
}

/// The figures of the connection, one click away.
#[component]
pub fn Details(props: &DetailsProps) -> Html {
    let report = props.report.clone().unwrap_or_default();
    let figures = [
        ("Codec", report.codec),
        ("Bitrate", report.bits_per_sec.map(words::kilobits)),
        ("Packets lost", report.lost.map(words::percent)),
        ("Jitter", report.jitter_millis.map(words::millis)),
        ("Made-up sound", report.concealed.map(words::percent)),
        ("Delay", report.delay_millis.map(words::millis)),
        ("Buffer", report.buffer_millis.map(words::millis)),
        ("Round trip", report.round_trip_millis.map(words::millis)),
        ("Way", report.transport),
    ];
    html! {
        <details class="details">
            <summary>{ "Details" }</summary>
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
