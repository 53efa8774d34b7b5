use super::super::{Failure, Pause, Refusal};
use super::*;

const ALL: Means = Means { webrtc: true, stream: true, blocked: false };
const BLOCKED: Means = Means { blocked: true, ..ALL };

/// A ladder, and the clock by which it is looked at ten times a second.
struct Climb {
    ladder: Ladder,
    now: f64,
}

impl Climb {
    fn begin(means: Means) -> Self {
        let mut ladder = Ladder::default();
        ladder.begin(means, 0.0);
        Self { ladder, now: 0.0 }
    }

    /// A page that hears the stream, since WebRTC does not come about.
    fn on_the_stream() -> Self {
        let mut climb = Self::begin(ALL);
        climb.answered(1);
        climb.wait(4.0);
        climb.flows(2, Way::Stream);
        climb.wait(0.1);
        climb
    }

    fn wait(&mut self, secs: f64) {
        for _ in 0..(secs * 10.0).round() as u32 {
            self.now += 100.0;
            self.ladder.look(false, self.now);
        }
    }

    fn tell(&mut self, number: u32, event: Event) -> bool {
        self.ladder.take(number, &event, self.now)
    }

    fn answered(&mut self, number: u32) {
        self.tell(number, Event::Answered { turn_only: false, answer: "".into() });
    }

    fn flows(&mut self, number: u32, way: Way) {
        self.tell(number, Event::Connected);
        self.tell(number, Event::Seen { way: Some(way), flows: true });
    }

    fn breaks(&mut self, number: u32) -> bool {
        self.tell(number, Event::Broken(Pause::Broken, 0.5))
    }

    /// What is used and what is tried, as `2s` for a stream of this number and `1` for a WebRTC session.
    fn shown(&self) -> String {
        let name = |leg: Leg| format!("{}{}", leg.number, if leg.stream { "s" } else { "" });
        self.ladder.legs().into_iter().flatten().map(name).collect::<Vec<_>>().join(" ")
    }

    /// When the sessions changed within so many seconds, in seconds from now, and to what.
    fn changes(&mut self, secs: f64) -> Vec<(f64, String)> {
        let (from, mut found) = (self.now, vec![]);
        let mut last = self.shown();
        while self.now < from + secs * 1_000.0 {
            self.wait(0.1);
            let shown = self.shown();
            if shown != last {
                found.push((((self.now - from) / 100.0).round() / 10.0, shown.clone()));
                last = shown;
            }
        }
        found
    }
}

#[test]
fn webrtc_that_comes_about_is_left_alone() {
    let mut climb = Climb::begin(ALL);
    climb.answered(1);
    climb.flows(1, Way::Udp);
    assert_eq!(climb.changes(300.0), []);
    assert_eq!((climb.shown().as_str(), climb.ladder.way()), ("1", Some(Way::Udp)));
}

#[test]
fn the_stream_begins_besides_and_whichever_sounds_first_is_used() {
    let mut climb = Climb::begin(ALL);
    climb.wait(1.0);
    climb.answered(1);
    assert_eq!(climb.changes(3.5), []);
    assert_eq!(climb.changes(0.2), [(0.1, "1 2s".to_owned())]);
    climb.flows(2, Way::Stream);
    climb.wait(0.1);
    assert_eq!((climb.shown().as_str(), climb.ladder.way()), ("2s 1", Some(Way::Stream)));
    climb.flows(1, Way::TurnTls);
    climb.wait(0.1);
    assert_eq!((climb.shown().as_str(), climb.ladder.way()), ("1", Some(Way::TurnTls)));
}

#[test]
fn a_stream_that_is_not_needed_any_more_goes() {
    let mut climb = Climb::begin(ALL);
    climb.answered(1);
    climb.wait(4.0);
    assert_eq!(climb.shown(), "1 2s");
    climb.flows(1, Way::Tcp);
    climb.wait(0.1);
    assert_eq!(climb.shown(), "1");
}

#[test]
fn better_ways_are_tried_quietly_and_at_most_twenty_seconds_apart() {
    let mut climb = Climb::on_the_stream();
    let changes = climb.changes(100.0);
    let begun: Vec<f64> =
        changes.iter().filter(|(_, shown)| shown.contains(' ')).map(|(at, _)| *at).collect();
    assert!(begun[0] <= 10.0 && begun.windows(2).all(|pair| pair[1] - pair[0] <= 20.0), "{changes:?}");
    assert!(begun.len() <= 8, "{changes:?}");
    assert_eq!(climb.ladder.way(), Some(Way::Stream), "what is used is not disturbed");
    let open = climb.changes(20.0).into_iter().find(|(_, shown)| shown.contains(' ')).unwrap();
    let number = climb.ladder.tried.map_or(0, |tried| tried.number);
    climb.flows(number, Way::Udp);
    climb.wait(0.1);
    assert_eq!((climb.shown(), climb.ladder.way()), (number.to_string(), Some(Way::Udp)), "{open:?}");
    assert_eq!(climb.changes(300.0), []);
}

#[test]
fn a_quiet_try_is_taken_only_where_it_is_better_and_packets_come() {
    let mut climb = Climb::begin(ALL);
    climb.flows(1, Way::Tcp);
    climb.wait(10.2);
    assert_eq!(climb.shown(), "1 2");
    assert_eq!(climb.ladder.legs()[1].unwrap().better_than, Some(Way::Tcp));
    climb.tell(2, Event::Connected);
    climb.tell(2, Event::Seen { way: Some(Way::Udp), flows: false });
    climb.wait(2.0);
    assert_eq!(climb.shown(), "1 2", "nothing comes by it");
    climb.tell(2, Event::Seen { way: Some(Way::TurnUdp), flows: true });
    climb.wait(1.0);
    assert_eq!(climb.shown(), "1 2", "it is worse");
    climb.tell(2, Event::Seen { way: Some(Way::Udp), flows: true });
    climb.wait(0.1);
    assert_eq!(climb.shown(), "2");
}

#[test]
fn a_source_that_stopped_does_not_keep_a_better_way_waiting() {
    let mut climb = Climb::begin(ALL);
    climb.flows(1, Way::Tcp);
    climb.wait(10.2);
    climb.tell(2, Event::Connected);
    climb.tell(2, Event::Seen { way: Some(Way::Udp), flows: false });
    climb.now += 1_100.0;
    climb.ladder.look(true, climb.now);
    assert_eq!(climb.shown(), "2");
}

#[test]
fn where_the_relay_wants_turn_alone_webrtc_is_not_tried_besides_itself() {
    let mut climb = Climb::begin(ALL);
    climb.tell(1, Event::Answered { turn_only: true, answer: "".into() });
    climb.flows(1, Way::TurnTls);
    assert_eq!(climb.changes(60.0), []);
}

#[test]
fn a_page_that_was_blocked_begins_with_the_stream_and_tries_webrtc_soon() {
    let mut climb = Climb::begin(BLOCKED);
    assert_eq!(climb.shown(), "1s");
    climb.flows(1, Way::Stream);
    assert_eq!(climb.changes(3.0), [(2.0, "1s 2".to_owned())]);
    let without = Climb::begin(Means { webrtc: false, ..ALL });
    assert_eq!(without.shown(), "1s");
    let neither = Climb::begin(Means { stream: false, ..BLOCKED });
    assert_eq!(neither.shown(), "1");
}

#[test]
fn a_way_that_stalls_is_replaced_and_the_stream_waits_behind() {
    let mut climb = Climb::begin(ALL);
    climb.answered(1);
    climb.flows(1, Way::TurnUdp);
    climb.wait(2.0);
    climb.tell(1, Event::Stalled);
    climb.wait(0.1);
    assert_eq!((climb.shown().as_str(), climb.ladder.legs()[1].unwrap().better_than), ("1 2", None));
    climb.flows(2, Way::TurnUdp);
    climb.wait(0.1);
    assert_eq!(climb.shown(), "2");
    climb.tell(2, Event::Stalled);
    climb.wait(0.1);
    climb.answered(3);
    climb.wait(3.6);
    assert_eq!(climb.shown(), "4s 3", "neither leads anywhere");
}

#[test]
fn a_relay_that_refuses_is_not_pestered_while_nothing_comes() {
    let refuse = |retry_after_secs| {
        let mut climb = Climb::begin(ALL);
        climb.flows(1, Way::Udp);
        climb.tell(1, Event::Stalled);
        let mut begun = vec![];
        for _ in 0..200 {
            climb.wait(0.1);
            if let Some(tried) = climb.ladder.legs()[1] {
                begun.push(climb.now / 1_000.0);
                let no = Refusal::Status { code: 503, retry_after_secs, detail: String::new() };
                climb.tell(tried.number, Event::Refused(no, 0.5));
            }
        }
        begun
    };
    assert_eq!(refuse(None), [0.1, 1.1, 3.1, 7.1, 11.1, 15.1, 19.1]);
    assert_eq!(refuse(Some(9)), [0.1, 9.1, 18.1], "it says when to ask again");
}

#[test]
fn a_way_that_comes_back_is_kept() {
    let mut climb = Climb::begin(ALL);
    climb.flows(1, Way::Udp);
    assert!(climb.tell(1, Event::Unanswered), "it is told to who listens");
    climb.wait(0.1);
    assert_eq!(climb.shown(), "1 2");
    climb.tell(1, Event::Seen { way: Some(Way::Udp), flows: true });
    climb.flows(2, Way::Udp);
    climb.wait(7.0);
    assert_eq!(climb.shown(), "1");
}

#[test]
fn an_end_concerns_the_listening_only_where_no_other_way_is_left() {
    let mut climb = Climb::begin(ALL);
    assert!(!climb.breaks(1), "the stream is tried at once");
    assert_eq!(climb.shown(), "2s");
    assert!(climb.breaks(2), "nothing is left");

    let mut climb = Climb::begin(BLOCKED);
    assert!(!climb.tell(1, Event::Unable("This browser cannot.".into())));
    assert_eq!(climb.shown(), "2");
    assert!(climb.breaks(2));

    let mut climb = Climb::on_the_stream();
    assert!(climb.breaks(2), "a stream that stood begins anew");
}

#[test]
fn what_becomes_of_a_try_concerns_nobody() {
    let mut climb = Climb::on_the_stream();
    climb.wait(10.0);
    let number = climb.ladder.legs()[1].unwrap().number;
    let no = Refusal::Status { code: 503, retry_after_secs: None, detail: String::new() };
    assert!(!climb.tell(number, Event::Refused(no.clone(), 0.5)));
    assert_eq!(climb.shown(), "2s");
    assert!(!climb.tell(number, Event::Connected) && !climb.tell(1, Event::Sound), "late news");
    assert!(climb.tell(2, Event::Sound) && climb.tell(2, Event::Failed(Failure::Blocked)));

    let mut refused = Climb::begin(ALL);
    assert!(refused.tell(1, Event::Refused(no, 0.5)), "a relay that says no is no trouble of the way");
    assert_eq!(refused.shown(), "1");
}

#[test]
fn a_stream_that_is_refused_leaves_webrtc_its_time() {
    let mut climb = Climb::begin(ALL);
    climb.answered(1);
    climb.wait(4.0);
    climb.tell(2, Event::Unable("This browser cannot.".into()));
    assert_eq!(climb.changes(20.0), []);
    assert_eq!(climb.shown(), "1");
    assert!(climb.breaks(1));
}

#[test]
fn a_session_that_takes_over_early_is_not_replaced_again() {
    let mut climb = Climb::begin(ALL);
    climb.flows(1, Way::Udp);
    climb.ladder.renew(climb.now);
    climb.tell(2, Event::Connected);
    assert!(!climb.breaks(1), "the other stands");
    climb.flows(2, Way::Udp);
    assert_eq!(climb.changes(60.0), []);
    assert_eq!(climb.shown(), "2");
}

#[test]
fn another_session_of_the_same_kind_takes_over_when_it_stands() {
    for (means, way, shown) in
        [(ALL, Way::Udp, ["1 2", "1", "1 3", "3"]), (BLOCKED, Way::Stream, ["1s 2s", "1s", "1s 3s", "3s"])]
    {
        let mut climb = Climb::begin(means);
        climb.flows(1, way);
        climb.ladder.renew(climb.now);
        assert_eq!(climb.shown(), shown[0]);
        climb.breaks(2);
        assert_eq!(climb.shown(), shown[1]);
        climb.wait(2.1);
        assert_eq!(climb.shown(), shown[2], "it is tried again");
        climb.flows(3, way);
        climb.wait(0.1);
        assert_eq!(climb.shown(), shown[3]);
    }
}
