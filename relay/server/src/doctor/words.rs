//! Figures as people read them.

use std::time::Duration;

use soundport_core::ingest::RtpPort;

/// A time: `4 ms`, `12 s`, `3 min`, `2 h`.
pub(super) fn time(time: Duration) -> String {
    match (time.as_millis(), time.as_secs()) {
        (millis @ 0..1000, _) => format!("{millis} ms"),
        (_, secs @ 0..120) => format!("{secs} s"),
        (_, secs @ 0..7200) => format!("{} min", secs / 60),
        (_, secs) => format!("{} h", secs / 3600),
    }
}

/// How a container is made to send.
pub(super) fn send_here(RtpPort(port): RtpPort) -> String {
    format!(
        "With PulseAudio or PipeWire, inside the container: `pactl load-module module-rtp-send source=$(pactl get-default-sink).monitor destination_ip=RELAY_IP port={port} mtu=972`."
    )
}

/// What to send, for those who send something else.
pub(super) fn send_pcm(RtpPort(port): RtpPort) -> String {
    format!(
        "Send L16, L24, PCMU, PCMA or Opus by plain RTP, such as: `ffmpeg -re -i FILE -ac 2 -ar 48000 -c:a pcm_s16be -f rtp rtp://RELAY_IP:{port}`."
    )
}

/// A number of things: `1 packet`, `7 packets`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Names one after the other: `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        let written = |millis| time(Duration::from_millis(millis));
        assert_eq!(
            [4, 1_999, 119_999, 120_000, 7_200_000].map(written),
            ["4 ms", "1 s", "119 s", "2 min", "2 h"]
        );
    }

    #[test]
    fn names_are_listed() {
        assert_eq!(listed(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(listed(&["a".into()]), "a");
    }
}
