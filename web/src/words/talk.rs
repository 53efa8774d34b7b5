//! What the page says of the microphone.

use soundport_api::Source;

use crate::state::{Failure, Pause, Phase, Standing, Talking, Trouble};

/// The name of a standing, as tests and scripts read it from `data-talk`.
pub fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Off => "off",
        Standing::Asking => "asking",
        Standing::Connecting => "connecting",
        Standing::Opening => "opening",
        Standing::Muted => "muted",
        Standing::Live => "live",
        Standing::Refused => "refused",
        Standing::Failed => "failed",
    }
}

/// A standing in a word or two.
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Off => "Microphone off",
        Standing::Asking | Standing::Connecting | Standing::Opening => "Not heard yet",
        Standing::Muted => "Muted",
        Standing::Live => "You are live",
        Standing::Refused | Standing::Failed => "Not heard",
    }
}

/// Something that stands in the way of talking.
pub struct Notice {
    /// Its name, as tests and scripts read it from `data-talk-notice`.
    pub name: &'static str,
    /// What happened, and what to do.
    pub words: String,
}

/// What stands in the way; none where nothing does. `secure` says whether the browser gives this page microphones at all.
pub fn talk_notice(talking: &Talking, source: &Source, secure: bool) -> Option<Notice> {
    if !secure {
        return Some(trouble(Trouble::Insecure));
    }
    if let Some(happened) = talking.trouble() {
        return Some(trouble(happened));
    }
    match (talking.standing(), talking.line()) {
        (Standing::Refused, _) => {
            let said = source.talkback.as_ref().and_then(|talkback| talkback.trouble.clone());
            let words = said.unwrap_or_else(|| "The container does not take it. It is tried again.".into());
            Some(Notice { name: "refused", words })
        }
        (_, Phase::Failed(failure)) => Some(self::failure(failure)),
        _ => None,
    }
}

fn trouble(trouble: Trouble) -> Notice {
    let (name, words) = match trouble {
        Trouble::Insecure => {
            ("insecure", "Browsers give a microphone only over https, or on localhost. Open this page there.")
        }
        Trouble::Denied => (
            "denied",
            "The browser denies the microphone. Allow it beside this page’s address, then press Talk.",
        ),
        Trouble::NoDevice => ("no-device", "There is no microphone. Plug one in, then press Talk."),
        Trouble::InUse => (
            "in-use",
            "The microphone does not start. Another program may be using it: close that, then press Talk.",
        ),
        Trouble::Unplugged => {
            ("unplugged", "The microphone was unplugged. Plug it in, or choose another, then press Talk.")
        }
        Trouble::Revoked => {
            ("revoked", "The permission for the microphone was taken back. Allow it again, then press Talk.")
        }
        Trouble::Hidden => ("hidden", "This page was hidden, so you were muted. Press Talk to go on."),
        Trouble::Unknown => ("failed", "The browser gives no microphone. Try another one, then press Talk."),
    };
    Notice { name, words: words.into() }
}

fn failure(failure: &Failure) -> Notice {
    let (name, words) = match failure {
        Failure::Forbidden(detail) => ("not-allowed", detail.clone()),
        Failure::Refused(detail) => ("refused", format!("The relay refused: {detail}")),
        Failure::NoRelay => ("failed", "The relay does not answer. Start it, then press Talk.".into()),
        Failure::UnknownSource => ("failed", "The relay does not know this source any more.".into()),
        Failure::NoMedia => (
            "failed",
            "The relay answers, but your sound does not get through. Its ports may be closed on the way."
                .into(),
        ),
        Failure::Unable(words) => ("failed", words.clone()),
        Failure::NoWebRtc | Failure::Blocked => {
            ("failed", "This browser cannot send sound. Use one with WebRTC switched on.".into())
        }
    };
    Notice { name, words }
}

/// What a standing means, and what to do, where nothing stands in the way.
pub fn talk_hint(talking: &Talking, source: &Source) -> &'static str {
    match (talking.standing(), talking.line()) {
        (Standing::Asking, _) => "The browser asks for the microphone: allow it.",
        (Standing::Connecting, Phase::Reconnecting(pause)) => self::pause(*pause),
        (Standing::Connecting, _) => "Opening the microphone.",
        (Standing::Opening, _) if source.room => "Opening the room.",
        (Standing::Opening, _) => "Telling the container.",
        (Standing::Live, _) if talking.is_held() => "Let go to mute.",
        (Standing::Live, _) => "Press to mute.",
        (Standing::Muted, _) => "Press to talk, or hold the button or the space bar.",
        (Standing::Off, _) if source.id == "echo" => {
            "Listen, say something, and hear it come back. Raw and headphones suit it best."
        }
        (Standing::Off, _) => "Press to talk, or hold while you speak.",
        (Standing::Refused | Standing::Failed, _) => "",
    }
}

fn pause(pause: Pause) -> &'static str {
    match pause {
        Pause::Broken => "Connecting again.",
        Pause::NoRelay => "The relay does not answer. You are heard again when it does.",
        Pause::SourceGone => "It has left. You are heard again when it is back.",
        Pause::NotLive => {
            "Nothing has come from it yet, so nobody knows where it is. You are heard when it plays."
        }
        Pause::Busy => "The relay is full. You are let in when there is room.",
    }
}

/// Who else is there to talk, and how many of them speak; empty where nobody is.
pub fn others(here: usize, speaking: usize) -> String {
    match (here, speaking) {
        (0, _) => String::new(),
        (1, 0) => "1 other here".into(),
        (1, _) => "1 other here, speaking".into(),
        (here, 0) => format!("{here} others here"),
        (here, speaking) => format!("{here} others here, {speaking} speaking"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_says_what_to_do_and_none_shouts() {
        let troubles = [
            Trouble::Insecure,
            Trouble::Denied,
            Trouble::NoDevice,
            Trouble::InUse,
            Trouble::Unplugged,
            Trouble::Revoked,
            Trouble::Hidden,
            Trouble::Unknown,
        ];
        let failures = [Failure::NoRelay, Failure::UnknownSource, Failure::NoMedia, Failure::NoWebRtc];
        for notice in troubles.map(trouble).iter().chain(&failures.each_ref().map(failure)) {
            assert!(notice.words.ends_with('.') && !notice.words.contains('!'), "{}", notice.words);
        }
        for pause in [Pause::Broken, Pause::NoRelay, Pause::SourceGone, Pause::NotLive, Pause::Busy] {
            assert!(self::pause(pause).ends_with('.'));
        }
    }

    #[test]
    fn others_are_counted() {
        assert_eq!(others(0, 0), "");
        assert_eq!(others(1, 0), "1 other here");
        assert_eq!(others(1, 1), "1 other here, speaking");
        assert_eq!(others(2, 1), "2 others here, 1 speaking");
        assert_eq!(others(3, 0), "3 others here");
    }
}
