use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use soundport_api::{Check, Diagnosis, IceCheck, Source, SourceState as Listed, StreamPurpose, Verdict};
use soundport_core::fanout::{Audience, PeerAddr, Playback, Report, SessionFacts, Way};
use soundport_core::ingest::{
    Barrier, Beside, EncoderFacts, Found, RtpPort, SourceFacts, SourceFormat, SourceState, SourceStatus,
    TurnedAway, TurnedAwayFor,
};
use soundport_core::{AudioFormat, Encoding, SessionId, SourceId};

use super::*;
use crate::network::Reach;

const OWN: SessionId = SessionId::new(7);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A source that is heard.
fn heard() -> SourceFacts {
    let audio = AudioFormat { encoding: Encoding::L16, rate_hz: 48_000, channels: 2 };
    SourceFacts {
        status: SourceStatus {
            id: SourceId::new("desktop"),
            title: "Desktop".into(),
            state: SourceState::Live,
            format: Some(SourceFormat { audio, found: Found::Announced }),
            listeners: 1,
            address: Some([172, 17, 0, 2].into()),
            trouble: None,
        },
        pinned: false,
        port: RtpPort(5004),
        announced: Some(ms(2_000)),
        announced_for: Some(ms(60_000)),
        said_goodbye: false,
        heard: Some(ms(4)),
        sounded: Some(ms(4)),
        barrier: None,
        shown: None,
        paced_hz: None,
        other_payload_type: None,
        beside: Vec::new(),
        namesake: None,
        encoder: EncoderFacts {
            runs: true,
            failed: false,
            frames_failed: 0,
            bitrate_bps: 128_000,
            frame: ms(10),
        },
    }
}

/// A listener who hears it.
fn listener() -> SessionFacts {
    let from = PeerAddr::Udp("203.0.113.20:50000".parse().unwrap());
    SessionFacts {
        id: OWN,
        number: 1,
        source: SourceId::new("desktop"),
        talks: false,
        age: ms(60_000),
        heard: ms(1_000),
        patience: ms(20_000),
        way: Way::WebRtc { from, connected: true },
        report: Some(Report { packets: 1_000, lost: Some(3), loss: Some(0.003), round_trip: Some(ms(23)) }),
        playback: Some(Playback::Playing),
    }
}

fn relay() -> RelayFacts {
    RelayFacts {
        rtp_port: RtpPort(5004),
        reach: Reach {
            offered: vec!["192.168.1.2:8443/udp".into()],
            is_known: false,
            media_port: 8443,
            https_port: 8443,
        },
        turn: Arc::from([]),
        turn_addresses: Vec::new(),
        turned_away: Vec::new(),
        unrecognised: Vec::new(),
        strange_announcements: 0,
    }
}

fn listed() -> Source {
    Source {
        id: "desktop".into(),
        title: "Desktop".into(),
        state: Listed::Live,
        format: None,
        talk: false,
        talkback: None,
        room: false,
        listeners: 1,
        trouble: None,
    }
}

fn look(
    ingest: SourceFacts,
    sessions: Vec<SessionFacts>,
    own: &[SessionId],
    relay: &RelayFacts,
) -> Diagnosis {
    let audience = Audience { sessions, more: 0 };
    diagnose(&Facts { source: listed(), ingest: Some(ingest), audience, own: own.to_vec() }, relay)
}

/// The first trouble of a source, in the order that sound takes.
fn first(ingest: SourceFacts) -> (Check, String, String) {
    let diagnosis = look(ingest, vec![listener()], &[], &relay());
    assert_eq!(diagnosis.verdict, Verdict::Trouble, "{diagnosis:#?}");
    let troubles = diagnosis.findings.into_iter().filter(|finding| finding.verdict == Verdict::Trouble);
    let trouble = troubles.min_by_key(|finding| finding.check).unwrap();
    assert_eq!(trouble.said, diagnosis.summary);
    (trouble.check, trouble.said, trouble.remedy.unwrap())
}

#[test]
fn where_all_is_well_the_only_advice_is_what_nobody_can_know() {
    let diagnosis = look(heard(), vec![listener()], &[OWN], &relay());
    assert_eq!(
        (diagnosis.verdict, diagnosis.summary.as_str()),
        (Verdict::Well, "Nothing is in the way of its sound.")
    );
    let session = &diagnosis.sessions[0];
    assert!(session.own && session.purpose == StreamPurpose::Listen);
    assert_eq!(
        session.findings[0].said,
        "It is connected by UDP over IPv4; there and back takes 23 ms; 3 of 1000 packets were lost."
    );
    assert!(session.findings[1].remedy.as_deref().unwrap().contains("on the tab"));
    let text = serde_json::to_string(&diagnosis).unwrap();
    assert!(!text.contains("203.0.113.20") && !text.contains(&OWN.to_string()), "{text}");
}

#[test]
fn what_does_not_come_is_told_before_what_it_would_hold() {
    let silent = || SourceFacts { heard: None, sounded: None, announced: None, ..heard() };
    let (check, said, remedy) = first(silent());
    assert_eq!(check, Check::Packets);
    assert!(said.contains("port 5004 from 172.17.0.2") && remedy.contains("port=5004"), "{said} {remedy}");
    let (check, said, _) = first(SourceFacts { heard: Some(ms(40_000)), ..silent() });
    assert_eq!((check, said.contains("40 s ago")), (Check::Packets, true), "{said}");
    let echo = look(SourceFacts { pinned: true, ..silent() }, vec![listener()], &[], &relay());
    assert_eq!(echo.verdict, Verdict::Well, "{echo:?}");
    let (check, said, _) = first(SourceFacts { said_goodbye: true, ..silent() });
    assert_eq!((check, said.contains("goodbye")), (Check::Packets, true), "{said}");
    let (check, said, _) = first(SourceFacts { announced: Some(ms(3_000)), ..silent() });
    assert_eq!((check, said.contains("announced itself 3 s ago")), (Check::Suspended, true), "{said}");
    let new = SourceFacts { announced: Some(ms(900)), announced_for: Some(ms(900)), ..silent() };
    assert_eq!(
        look(new, Vec::new(), &[], &relay()).verdict,
        Verdict::Unknown,
        "its first packets may be on the way"
    );
    let (check, said, _) = first(SourceFacts { namesake: Some(SourceId::new("desktop-2")), ..silent() });
    assert_eq!((check, said.contains("desktop-2")), (Check::Packets, true), "{said}");
}

#[test]
fn what_keeps_packets_out_is_told_with_a_remedy_that_names_it() {
    let held =
        "Its sound goes to UDP port 46010, which another program on the relay’s machine holds.".to_owned();
    for (barrier, check, remedy) in [
        (Barrier::Multicast([224, 0, 0, 56].into()), Check::Packets, "--multicast"),
        (Barrier::SystemPort { announced: 80, main: RtpPort(5004) }, Check::Packets, "port=5004"),
        (Barrier::Port(held), Check::Packets, "ss -lunp sport = :5004"),
        (Barrier::Name("No machine is known by the name kiosk.".into()), Check::Packets, "[[source]]"),
        (Barrier::Format("sent as AAC/48000/2".into()), Check::Format, "pcm_s16be"),
    ] {
        let named = format!("{barrier:?}");
        let found = first(SourceFacts { barrier: Some(barrier), heard: None, ..heard() });
        assert_eq!(found.0, check, "{named}");
        assert!(found.2.contains(remedy), "{named}: {}", found.2);
    }
}

#[test]
fn packets_of_nothing_or_of_something_else_are_told() {
    let (check, said, remedy) = first(SourceFacts { sounded: Some(ms(12_000)), ..heard() });
    assert_eq!((check, said.contains("zeros for 12 s")), (Check::Zeros, true), "{said}");
    assert!(remedy.contains("pactl list short sink-inputs"), "{remedy}");
    let pause = look(SourceFacts { sounded: Some(ms(1_500)), ..heard() }, vec![listener()], &[], &relay());
    assert_eq!(pause.verdict, Verdict::Well, "a pause between two sentences is none");

    let from: SocketAddr = "172.17.0.2:40000".parse().unwrap();
    let to = RtpPort(5004);
    let why = TurnedAwayFor::PayloadType(14);
    let away = Beside::TurnedAway(TurnedAway { from, to, why, count: 40, age: ms(20) });
    let strange = Beside::Unrecognised { from, to, payload_type: 97, payload_bytes: 341, ticks: Some(1_024) };
    for (beside, words) in
        [(away, "payload type 14"), (strange, "payload type 97 with 341 bytes, 1024 timestamps")]
    {
        let (check, said, remedy) = first(SourceFacts { heard: None, beside: vec![beside], ..heard() });
        assert_eq!(
            (check, said.contains(words), remedy.contains("pcm_s16be")),
            (Check::Format, true, true),
            "{said}"
        );
    }
    let taken = Beside::Taken { by: SourceId::new("172-17-0-2"), to };
    let moved = SourceFacts { heard: None, beside: vec![taken], port: RtpPort(5006), ..heard() };
    let (check, said, _) = first(moved);
    assert_eq!((check, said.contains("heard as 172-17-0-2")), (Check::Packets, true), "{said}");

    let shown = AudioFormat { encoding: Encoding::L24, rate_hz: 48_000, channels: 2 };
    let (check, said, _) = first(SourceFacts { shown: Some(shown), ..heard() });
    assert_eq!((check, said.contains("noise")), (Check::Format, true), "{said}");
    let (check, said, _) = first(SourceFacts { paced_hz: Some(44_100), ..heard() });
    assert_eq!((check, said.contains("44100 samples come in a second")), (Check::Format, true), "{said}");
}

#[test]
fn the_encoder_is_told_of() {
    let with = |change: fn(&mut SourceFacts)| {
        let mut facts = heard();
        change(&mut facts);
        let diagnosis = look(facts, Vec::new(), &[], &relay());
        let finding = diagnosis.findings.into_iter().find(|finding| finding.check == Check::Encoder).unwrap();
        (finding.verdict, finding.said)
    };
    assert_eq!(with(|_| {}).1, "It is encoded once (128 kb/s, 10 ms frames) for 1 session.");
    assert_eq!(
        with(|facts| facts.status.listeners = 0),
        (Verdict::Well, "Nobody listens, so nothing is encoded.".into())
    );
    assert_eq!(with(|facts| facts.encoder.failed = true).0, Verdict::Trouble);
    assert_eq!(
        with(|facts| facts.encoder.frames_failed = 2),
        (Verdict::Trouble, "2 frames could not be encoded.".into())
    );
}

#[test]
fn a_sessions_way_is_told() {
    let path = |session: SessionFacts| {
        let diagnosis = look(heard(), vec![session], &[], &relay());
        let finding = diagnosis.sessions[0].findings[0].clone();
        assert_eq!(finding.check, Check::Path);
        (finding.verdict, format!("{} {}", finding.said, finding.remedy.unwrap_or_default()))
    };
    let none = |age| SessionFacts { way: Way::None, report: None, age: ms(age), ..listener() };
    assert_eq!(path(none(500)).0, Verdict::Unknown);
    let (verdict, said) = path(none(5_000));
    assert_eq!(verdict, Verdict::Trouble);
    for words in ["in 5 s", "192.168.1.2:8443/udp", "--announce HOST", "8443/tcp and 8443/udp"] {
        assert!(said.contains(words), "{said} lacks {words}");
    }
    let by_hand = SessionFacts { patience: ms(300_000), ..none(60_000) };
    assert_eq!(path(by_hand).0, Verdict::Unknown);
    let from = PeerAddr::Tcp("[2001:db8::1]:50000".parse().unwrap());
    let unanswered = SessionFacts { way: Way::WebRtc { from, connected: false }, ..listener() };
    let (verdict, said) = path(unanswered);
    assert_eq!((verdict, said.contains("arrive by TCP over IPv6")), (Verdict::Trouble, true), "{said}");
    let lossy = Report { loss: Some(0.3), ..listener().report.unwrap() };
    let (verdict, said) = path(SessionFacts { report: Some(lossy), ..listener() });
    assert_eq!((verdict, said.contains("lately 30 %")), (Verdict::Trouble, true), "{said}");
    assert_eq!(path(SessionFacts { heard: ms(12_000), ..listener() }).0, Verdict::Trouble);
    let (verdict, said) = path(SessionFacts { way: Way::Stream, report: None, ..listener() });
    assert_eq!((verdict, said.contains("last resort")), (Verdict::Well, true), "{said}");
    let by_turn = RelayFacts { turn_addresses: vec![[203, 0, 113, 20].into()], ..relay() };
    let said = look(heard(), vec![listener()], &[], &by_turn).sessions[0].findings[0].said.clone();
    assert!(said.contains("TURN"), "{said}");
}

#[test]
fn who_asks_for_itself_is_told_of_itself_first() {
    let other =
        SessionFacts { id: SessionId::new(8), number: 2, playback: Some(Playback::Blocked), ..listener() };
    let diagnosis = look(heard(), vec![other.clone(), listener()], &[OWN], &relay());
    assert_eq!((diagnosis.verdict, diagnosis.sessions[0].own), (Verdict::Well, true));
    let diagnosis = look(heard(), vec![listener(), other], &[], &relay());
    assert_eq!((diagnosis.verdict, diagnosis.sessions[0].number), (Verdict::Trouble, 2));
    assert!(diagnosis.summary.contains("autoplay"), "{}", diagnosis.summary);
}

#[test]
fn turn_is_no_trouble_of_who_does_without() {
    let trouble = "The TURN server turn:a refuses the relay’s credentials.".to_owned();
    let turn = Arc::from([IceCheck { url: "turn:a".into(), trouble: Some(trouble) }]);
    let relay = RelayFacts { turn, ..relay() };
    assert_eq!(look(heard(), vec![listener()], &[OWN], &relay).verdict, Verdict::Unknown);
    let streams = SessionFacts { way: Way::Stream, ..listener() };
    let diagnosis = look(heard(), vec![streams], &[OWN], &relay);
    assert_eq!(diagnosis.verdict, Verdict::Trouble);
    assert!(diagnosis.summary.contains("credentials"), "{}", diagnosis.summary);
}

#[test]
fn strangers_are_trouble_once_they_send_and_no_relay_without_sources_is_well() {
    let away = |count| TurnedAway {
        from: "203.0.113.9:4000".parse().unwrap(),
        to: RtpPort(5004),
        why: TurnedAwayFor::Stranger,
        count,
        age: ms(100),
    };
    let with = |count| checkup(&RelayFacts { turned_away: vec![away(count)], ..relay() }, Vec::new());
    assert_eq!(with(2).verdict, Verdict::Unknown);
    let found = with(400);
    assert_eq!(found.verdict, Verdict::Trouble);
    assert!(
        found.summary.contains("203.0.113.9") && found.summary.contains("private network"),
        "{}",
        found.summary
    );
    let empty = checkup(&relay(), Vec::new());
    assert!(
        empty.verdict == Verdict::Trouble && empty.summary.contains("No container is known"),
        "{empty:?}"
    );
}
