use yew::{Html, Properties, component, html};

use crate::rtc::Report;

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
        ("Bitrate", report.bits_per_sec.map(|bits| format!("{:.0} kb/s", bits / 1_000.0))),
        ("Packets lost", report.lost.map(percent)),
        ("Jitter", report.jitter_millis.map(millis)),
        ("Made-up sound", report.concealed.map(percent)),
        ("Delay", report.delay_millis.map(millis)),
        ("Buffer", report.buffer_millis.map(millis)),
        ("Round trip", report.round_trip_millis.map(millis)),
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

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn millis(millis: f64) -> String {
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_figures_keep_a_decimal() {
        assert_eq!(millis(0.44), "0.4 ms");
        assert_eq!(millis(41.6), "42 ms");
        assert_eq!(percent(0.0123), "1.2 %");
    }
}
