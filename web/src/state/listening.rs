use std::rc::Rc;

use yew::Reducible;

use super::backoff_millis;
use super::failure::{Failure, Pause, Quiet, Refusal};
use super::way::Way;

/// Where one card stands with its sound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listening {
    /// What the user is told.
    pub phase: Phase,
    /// The session that should exist; a new number means a new session.
    pub attempt: Option<Attempt>,
    /// The number of the newest attempt.
    number: u32,
    /// Attempts that came to nothing since sound was last heard.
    tries: u32,
    /// Whether the current attempt has begun, rather than waits.
    begun: bool,
    /// Whether a session stood since the click: from then on, breaks are mended without one.
    established: bool,
}

/// What the user is told about the listening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not listening.
    #[default]
    Ready,
    /// The click was taken, and no sound has come yet.
    Connecting,
    /// Sound is heard.
    Listening,
    /// Connected, and nothing to hear.
    Silent(Quiet),
    /// The sound comes back by itself.
    Reconnecting(Pause),
    /// Nothing more happens without the user.
    Failed(Failure),
}

/// A session that should exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Counts up with every new session of the card.
    pub number: u32,
    /// How long to wait before it is asked for.
    pub delay_millis: u32,
}

/// What happened. `jitter` is a random number in 0..1, drawn outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The user wants to listen.
    Listen,
    /// The user wants to stop.
    Stop,
    /// The wait before an attempt is over.
    Begun,
    /// The connection stands.
    Connected,
    /// The relay answered, and WebRTC is on its way to it. `turn_only`: the relay allows no way but TURN.
    Answered {
        /// What the relay allows.
        turn_only: bool,
        /// Its description of the session.
        answer: Rc<str>,
    },
    /// How the connection was seen to stand.
    Seen {
        /// The way that it takes, where that is known.
        way: Option<Way>,
        /// Whether packets came since the last look, and enough of them since the first.
        flows: bool,
    },
    /// The relay keeps the session, and nothing comes although something should.
    Stalled,
    /// The relay does not say whether it keeps the session, and nothing comes: perhaps the network is gone, and returns.
    Unanswered,
    /// There is sound.
    Sound,
    /// Connected, and nothing to hear.
    Quiet(Quiet),
    /// The connection is gone, or never came to stand.
    Broken(Pause, f64),
    /// The relay knows nothing of the session: it was restarted, or gave it up.
    Forgotten(f64),
    /// The relay gave no session.
    Refused(Refusal, f64),
    /// Listening cannot go on.
    Failed(Failure),
    /// This browser cannot take a stream, in words.
    Unable(String),
    /// The relay was seen to answer: no need to wait longer.
    RelayAnswers,
}

impl Event {
    /// The connection broke by itself.
    pub fn broken(jitter: f64) -> Self {
        Self::Broken(Pause::Broken, jitter)
    }
}

impl Reducible for Listening {
    type Action = Event;

    fn reduce(self: Rc<Self>, event: Event) -> Rc<Self> {
        match self.after(event) {
            Some(next) if next != *self => Rc::new(next),
            _ => self,
        }
    }
}

impl Listening {
    /// Whether the card holds a session, or is about to.
    pub fn is_on(&self) -> bool {
        self.attempt.is_some()
    }

    /// The state after an event; none where the event means nothing in this state.
    fn after(&self, event: Event) -> Option<Self> {
        match event {
            Event::Listen if !self.is_on() => Some(self.connecting()),
            Event::Stop => Some(self.ended(Phase::Ready)),
            _ if !self.is_on() => None,
            Event::Listen => None,
            Event::Begun => Some(Self { begun: true, ..self.clone() }),
            Event::Connected => Some(Self { established: true, ..self.clone() }),
            Event::Sound => Some(Self { phase: Phase::Listening, tries: 0, ..self.clone() }),
            Event::Quiet(Quiet::NoPackets) if self.misses_relay() => None,
            Event::Quiet(quiet) => Some(Self { phase: Phase::Silent(quiet), tries: 0, ..self.clone() }),
            Event::Broken(pause, jitter) => Some(self.broken(pause, jitter)),
            Event::Forgotten(jitter) => Some(self.forgotten(jitter)),
            Event::Refused(refusal, jitter) => Some(self.refused(refusal, jitter)),
            Event::Failed(failure) => Some(self.ended(Phase::Failed(failure))),
            Event::Unable(words) => Some(self.ended(Phase::Failed(Failure::Unable(words)))),
            Event::Unanswered if !self.established => None,
            Event::Unanswered => Some(Self { phase: Phase::Reconnecting(Pause::NoRelay), ..self.clone() }),
            Event::Stalled if self.misses_relay() => {
                Some(Self { phase: Phase::Silent(Quiet::NoPackets), ..self.clone() })
            }
            Event::Answered { .. } | Event::Seen { .. } | Event::Stalled => None,
            Event::RelayAnswers if self.begun => None,
            Event::RelayAnswers => Some(self.next_attempt(self.phase.clone(), 0)),
        }
    }

    fn misses_relay(&self) -> bool {
        self.phase == Phase::Reconnecting(Pause::NoRelay)
    }

    fn connecting(&self) -> Self {
        Self { tries: 0, established: false, ..self.next_attempt(Phase::Connecting, 0) }
    }

    fn ended(&self, phase: Phase) -> Self {
        Self { phase, number: self.number, ..Self::default() }
    }

    fn next_attempt(&self, phase: Phase, delay_millis: u32) -> Self {
        let number = self.number.wrapping_add(1);
        let attempt = Some(Attempt { number, delay_millis });
        Self {
            phase,
            attempt,
            number,
            tries: self.tries.saturating_add(1),
            begun: false,
            established: self.established,
        }
    }

    fn broken(&self, pause: Pause, jitter: f64) -> Self {
        if !self.established && self.phase == Phase::Connecting {
            return self.ended(Phase::Failed(Failure::NoMedia));
        }
        self.next_attempt(Phase::Reconnecting(pause), backoff_millis(self.tries, jitter))
    }

    /// The relay answers, so the first attempt waits for nothing.
    fn forgotten(&self, jitter: f64) -> Self {
        let phase = match self.phase {
            Phase::Connecting => Phase::Connecting,
            _ => Phase::Reconnecting(Pause::Broken),
        };
        let delay_millis = if self.tries <= 1 { 0 } else { backoff_millis(self.tries, jitter) };
        self.next_attempt(phase, delay_millis)
    }

    fn refused(&self, refusal: Refusal, jitter: f64) -> Self {
        let wait = |pause, at_least_secs: Option<u32>| {
            let asked = at_least_secs.unwrap_or(0).min(LONGEST_RETRY_AFTER_SECS) * 1_000;
            let delay_millis = backoff_millis(self.tries, jitter).max(asked);
            self.next_attempt(Phase::Reconnecting(pause), delay_millis)
        };
        match refusal {
            Refusal::Unreachable if self.established => wait(Pause::NoRelay, None),
            Refusal::Unreachable => self.ended(Phase::Failed(Failure::NoRelay)),
            Refusal::Status { code: 404, .. } if self.established => wait(Pause::SourceGone, None),
            Refusal::Status { code: 404, .. } => self.ended(Phase::Failed(Failure::UnknownSource)),
            Refusal::Status { code: 409, retry_after_secs, .. } => wait(Pause::NotLive, retry_after_secs),
            Refusal::Status { code: 503, retry_after_secs, .. } => wait(Pause::Busy, retry_after_secs),
            Refusal::Status { code: 500.., .. } if self.established => wait(Pause::Broken, None),
            Refusal::Status { code: 403, detail, .. } => {
                self.ended(Phase::Failed(Failure::Forbidden(detail)))
            }
            Refusal::Status { detail, .. } | Refusal::Unusable(detail) => {
                self.ended(Phase::Failed(Failure::Refused(detail)))
            }
        }
    }
}

/// A relay that asks for more patience than this is asked again anyway.
pub(super) const LONGEST_RETRY_AFTER_SECS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(events: impl IntoIterator<Item = Event>) -> Rc<Listening> {
        events.into_iter().fold(Rc::default(), Reducible::reduce)
    }

    fn status(code: u16) -> Refusal {
        Refusal::Status { code, retry_after_secs: None, detail: "The offer holds no Opus.".into() }
    }

    const BROKEN: Event = Event::Broken(Pause::Broken, 1.0);

    #[test]
    fn a_click_connects_and_sound_is_listening() {
        let state = run([Event::Listen]);
        assert_eq!(state.phase, Phase::Connecting);
        assert_eq!(state.attempt, Some(Attempt { number: 1, delay_millis: 0 }));
        let state = run([Event::Listen, Event::Begun, Event::Connected, Event::Sound]);
        assert_eq!(state.phase, Phase::Listening);
        assert_eq!(state.attempt, Some(Attempt { number: 1, delay_millis: 0 }), "the session stays the same");
    }

    #[test]
    fn silence_and_sound_alternate_on_one_session() {
        let state = run([Event::Listen, Event::Sound, Event::Quiet(Quiet::Zeros)]);
        assert_eq!(state.phase, Phase::Silent(Quiet::Zeros));
        let state = state.reduce(Event::Sound);
        assert_eq!(state.phase, Phase::Listening);
        assert_eq!(state.attempt.unwrap().number, 1);
    }

    #[test]
    fn a_break_is_mended_without_a_click_and_waits_grow() {
        let mut state = run([Event::Listen, Event::Begun, Event::Connected, Event::Sound]);
        let mut waits = vec![];
        for _ in 0..4 {
            state = state.reduce(BROKEN);
            assert_eq!(state.phase, Phase::Reconnecting(Pause::Broken));
            waits.push(state.attempt.unwrap().delay_millis);
            state = state.reduce(Event::Begun);
        }
        assert_eq!(waits, [250, 500, 1000, 2000]);
        assert_eq!(state.attempt.unwrap().number, 5);
        let state = state.reduce(Event::Sound).reduce(BROKEN);
        assert_eq!(state.attempt.unwrap().delay_millis, 250, "sound makes the next wait short again");
    }

    #[test]
    fn a_session_that_nobody_can_be_asked_about_is_kept() {
        let missed = run([Event::Listen, Event::Begun, Event::Connected, Event::Sound, Event::Unanswered]);
        assert_eq!(missed.phase, Phase::Reconnecting(Pause::NoRelay));
        assert_eq!(missed.attempt, Some(Attempt { number: 1, delay_millis: 0 }));
        let quiet = Rc::clone(&missed).reduce(Event::Quiet(Quiet::NoPackets));
        assert_eq!(quiet, missed, "what is missing is the relay");
        assert_eq!(Rc::clone(&missed).reduce(Event::Sound).phase, Phase::Listening, "the network is back");
        assert_eq!(missed.reduce(Event::Stalled).phase, Phase::Silent(Quiet::NoPackets), "the relay is");
    }

    #[test]
    fn a_relay_that_forgot_the_session_is_asked_for_another_at_once() {
        let state = run([Event::Listen, Event::Begun, Event::Connected, Event::Sound, Event::Forgotten(1.0)]);
        assert_eq!(state.phase, Phase::Reconnecting(Pause::Broken));
        assert_eq!(state.attempt, Some(Attempt { number: 2, delay_millis: 0 }));
        let state = state.reduce(Event::Begun).reduce(Event::Forgotten(1.0)).reduce(Event::Begun);
        let again = state.reduce(Event::Forgotten(1.0)).attempt.unwrap();
        assert!(again.delay_millis > 0, "one that forgets again and again is not pestered");
        let first = run([Event::Listen, Event::Begun, Event::Forgotten(1.0)]);
        assert_eq!(first.phase, Phase::Connecting, "a first attempt goes on");
    }

    #[test]
    fn a_relay_seen_again_ends_the_wait_but_not_an_attempt_under_way() {
        let waiting = run([Event::Listen, Event::Begun, Event::Connected, BROKEN]);
        let poked = Rc::clone(&waiting).reduce(Event::RelayAnswers);
        assert_eq!(poked.attempt, Some(Attempt { number: 3, delay_millis: 0 }));
        assert_eq!(poked.phase, waiting.phase);
        let under_way = waiting.reduce(Event::Begun);
        assert_eq!(Rc::clone(&under_way).reduce(Event::RelayAnswers), under_way);
    }

    #[test]
    fn the_first_attempt_fails_in_words() {
        let first = |refusal| run([Event::Listen, Event::Begun, Event::Refused(refusal, 0.5)]).phase.clone();
        assert_eq!(first(Refusal::Unreachable), Phase::Failed(Failure::NoRelay));
        assert_eq!(first(status(404)), Phase::Failed(Failure::UnknownSource));
        assert_eq!(first(status(406)), Phase::Failed(Failure::Refused("The offer holds no Opus.".into())));
        let no_media = run([Event::Listen, Event::Begun, BROKEN]);
        assert_eq!(no_media.phase, Phase::Failed(Failure::NoMedia));
        assert!(!no_media.is_on(), "a failure holds no session");
    }

    #[test]
    fn later_attempts_go_on_where_the_first_would_fail() {
        let later = |refusal| {
            run([Event::Listen, Event::Connected, BROKEN, Event::Begun, Event::Refused(refusal, 0.5)])
                .phase
                .clone()
        };
        assert_eq!(later(Refusal::Unreachable), Phase::Reconnecting(Pause::NoRelay));
        assert_eq!(later(status(404)), Phase::Reconnecting(Pause::SourceGone));
        assert_eq!(later(status(500)), Phase::Reconnecting(Pause::Broken));
    }

    #[test]
    fn retry_after_is_honoured() {
        let not_live = Refusal::Status { code: 409, retry_after_secs: Some(5), detail: String::new() };
        let state = run([Event::Listen, Event::Begun, Event::Refused(not_live, 0.0)]);
        assert_eq!(state.phase, Phase::Reconnecting(Pause::NotLive));
        assert_eq!(state.attempt.unwrap().delay_millis, 5_000);
    }

    #[test]
    fn stop_ends_everything_and_late_news_is_ignored() {
        let state = run([Event::Listen, Event::Sound, Event::Stop]);
        assert_eq!(state.phase, Phase::Ready);
        assert!(!state.is_on());
        let late = [Event::Connected, Event::Sound, BROKEN, Event::Quiet(Quiet::Zeros), Event::RelayAnswers];
        for event in late {
            assert_eq!(Rc::clone(&state).reduce(event), state);
        }
        assert_eq!(state.reduce(Event::Listen).attempt.unwrap().number, 2, "a new click is a new session");
    }
}
