use serde::{Deserialize, Serialize};

use crate::StreamPurpose;

/// The answer to `GET /api/doctor`: all sources, and what no source can be blamed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// The worst of all findings.
    pub verdict: Verdict,
    /// The first trouble in one sentence, or that all is well.
    pub summary: String,
    /// Of the relay: who sends to it and is not heard, where browsers are told to reach it, its TURN servers.
    pub findings: Vec<Finding>,
    /// Of each source.
    pub sources: Vec<Diagnosis>,
}

/// What `soundport doctor --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The worst of all findings: the exit code is 1 where it is trouble, else 0.
    pub verdict: Verdict,
    /// The first trouble in one sentence, or that all is well.
    pub summary: String,
    /// Of the machine: configuration, ports, certificate, announced addresses, STUN and TURN servers, the relay.
    pub findings: Vec<Finding>,
    /// What the relay itself says; none where none runs here.
    pub relay: Option<Checkup>,
}

/// The answer to `GET /api/sources/{id}/doctor`: why a source is not heard, or that nothing is in the way.
///
/// `?session=NAME` marks the asker's own session, by the name at the end of its `Location`; may stand more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The source's id.
    pub source: String,
    /// Its name for people.
    pub title: String,
    /// The worst of all findings: those of the source, and of the asker's own sessions, or of all where it named none.
    pub verdict: Verdict,
    /// The first trouble among these in one sentence, or that all is well.
    pub summary: String,
    /// Of the source itself, in the order that sound takes.
    pub findings: Vec<Finding>,
    /// Of those who listen and talk: the asker's own first, then those with troubles; at most 64.
    pub sessions: Vec<SessionDiagnosis>,
    /// Sessions there are besides.
    pub more_sessions: u32,
}

/// One listener's or talker's connection. It is named by a number, since its name would let others end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDiagnosis {
    /// A running number, the same as long as the session lasts.
    pub number: u32,
    /// Whether the asker named it in `?session=`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// Whether it listens or talks.
    pub purpose: StreamPurpose,
    /// How long ago it began, in seconds.
    pub age_secs: u64,
    /// The worst of its findings.
    pub verdict: Verdict,
    /// What is so of it, in the order that sound takes.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What came of it.
    pub verdict: Verdict,
    /// What is so, in words for people, with figures.
    pub said: String,
    /// What to do, in words for people, with commands between backticks; none where nothing needs doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What came of looking at something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is in the way of sound.
    Well,
    /// Nobody can know from here, or not yet.
    Unknown,
    /// This keeps somebody from hearing.
    Trouble,
}

/// What is looked at, in the order that sound takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The configuration as the relay reads it. Only of `soundport doctor`, as the next four.
    Configuration,
    /// The relay's own ports.
    Ports,
    /// Its TLS certificate.
    Certificate,
    /// Where browsers are told to reach it.
    Announce,
    /// Whether a relay runs here and answers.
    Relay,
    /// Whether RTP packets come from the container.
    Packets,
    /// Whether its sound server sleeps, though it announces itself.
    Suspended,
    /// Whether there is anything but silence in the packets.
    Zeros,
    /// Whether the packets are read as what they are.
    Format,
    /// Whether the sound is encoded.
    Encoder,
    /// Whether what talkers say arrives in the container.
    Talkback,
    /// Whether packets reach the browser, and by which way.
    Path,
    /// Whether the TURN servers work.
    Turn,
    /// Whether the browser plays what comes.
    Playback,
}

/// The body of `PUT /api/sessions/{session}/playback`, by which a page tells what only its browser knows of a listener's
/// session; `{session}` is the name at the end of its `Location`, or that of [`StreamOpened`](crate::StreamOpened).
///
/// Answered with 204, and with 404 where the session is over. Kept as long as the session lasts; the latest counts. To be sent when it
/// changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playback {
    /// What the browser does with the sound.
    pub state: PlaybackState,
}

/// What a browser does with the sound that it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaybackState {
    /// It is put out.
    Playing,
    /// The browser lets no page sound before a click (autoplay).
    Blocked,
    /// The page is muted, or its volume is zero.
    Muted,
    /// Another source is played alone (solo), so this one is not heard.
    Solo,
    /// There is no device to put it out.
    NoOutput,
    /// The connection stands, and no sound arrives by it.
    NoPackets,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnosis_is_written_as_the_interface_says() {
        let finding = |check, verdict, said: &str, remedy: Option<&str>| Finding {
            check,
            verdict,
            said: said.into(),
            remedy: remedy.map(Into::into),
        };
        let diagnosis = Diagnosis {
            source: "desktop".into(),
            title: "Desktop".into(),
            verdict: Verdict::Trouble,
            summary: "Its packets hold nothing but silence.".into(),
            findings: vec![finding(Check::Zeros, Verdict::Trouble, "Silence.", Some("Play something."))],
            sessions: vec![SessionDiagnosis {
                number: 3,
                own: true,
                purpose: StreamPurpose::Listen,
                age_secs: 12,
                verdict: Verdict::Well,
                findings: vec![finding(Check::Path, Verdict::Well, "By UDP.", None)],
            }],
            more_sessions: 0,
        };
        assert_eq!(
            serde_json::to_string(&diagnosis).unwrap(),
            r#"{"source":"desktop","title":"Desktop","verdict":"trouble","summary":"Its packets hold nothing but silence.","findings":[{"check":"zeros","verdict":"trouble","said":"Silence.","remedy":"Play something."}],"sessions":[{"number":3,"own":true,"purpose":"listen","age_secs":12,"verdict":"well","findings":[{"check":"path","verdict":"well","said":"By UDP."}]}],"more_sessions":0}"#
        );
    }

    #[test]
    fn what_a_page_tells_is_read_as_the_interface_says() {
        let read = |text: &str| serde_json::from_str::<Playback>(text).map(|playback| playback.state);
        assert_eq!(read(r#"{"state":"no-output"}"#).unwrap(), PlaybackState::NoOutput);
        assert_eq!(read(r#"{"state":"blocked"}"#).unwrap(), PlaybackState::Blocked);
        assert!(read(r#"{"state":"loud"}"#).is_err());
    }
}
