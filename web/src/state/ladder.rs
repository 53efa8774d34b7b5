use super::{Event, LONGEST_RETRY_AFTER_SECS, Refusal, Way};

/// How long WebRTC may take after the relay's answer before the stream is started besides.
const STREAM_AFTER_MILLIS: f64 = 3_500.0;

/// How long the first WebRTC session may take in all, and a quiet one.
const CONNECT_WITHIN_MILLIS: f64 = 10_000.0;
const TRY_FOR_MILLIS: f64 = 6_000.0;

/// How long after a stream that began at once WebRTC is tried for the first time.
const FIRST_TRY_AFTER_MILLIS: f64 = 2_000.0;

/// From one quiet try to the next, the first few times and later.
const TRY_EVERY_MILLIS: f64 = 10_000.0;
const TRY_LATER_EVERY_MILLIS: f64 = 18_000.0;
const FIRST_TRIES: u32 = 3;

/// From one try to replace a session to the next.
const RENEW_EVERY_MILLIS: f64 = 2_000.0;

/// After a try that came to nothing, the least wait before another, also while nothing is heard; it doubles so many times.
const RETRY_AFTER_MILLIS: f64 = 1_000.0;
const DOUBLINGS: u32 = 2;

/// Where no packet can be waited for, a connection that has stood so long is good enough.
const PROVEN_AFTER_MILLIS: f64 = 1_000.0;

/// Decides by which way sound travels: the best that there is, found without being asked, and taken without a gap.
///
/// At most two sessions are there at once: one is used, and one is tried besides. A WebRTC session has all its ways within itself (UDP, TCP
/// and TURN race each other); the stream is for where none of them leads to the relay. While what is used is not the best, a better one is
/// tried quietly again and again, and what becomes of that never disturbs what is used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ladder {
    used: Option<Leg>,
    tried: Option<Leg>,
    means: Means,
    number: u32,
    /// When the next quiet try is due, and how many came to nothing.
    try_at: f64,
    tries: u32,
    /// When one may be tried although nothing is heard, and how many came to nothing since something was.
    retry_at: f64,
    retries: u32,
    /// Whether what is used is to give way to another session of its kind.
    renews: bool,
    /// Whether WebRTC was tried, and whether the stream came to nothing, in this attempt.
    had_webrtc: bool,
    without_stream: bool,
    /// Whether the relay allows no way but TURN.
    turn_only: bool,
}

/// What can be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Means {
    /// Whether the browser has WebRTC.
    pub webrtc: bool,
    /// Whether the browser can play, or send, a stream, as far as is known.
    pub stream: bool,
    /// Whether WebRTC led nowhere a moment ago.
    pub blocked: bool,
}

/// A session that should be there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// Counts up with every session.
    pub number: u32,
    /// Whether it is the stream, rather than a WebRTC session.
    pub stream: bool,
    /// Only a better way than this is of use; none where any is.
    pub better_than: Option<Way>,
    opened_at: f64,
    answered_at: Option<f64>,
    connected_at: Option<f64>,
    flows: bool,
    way: Option<Way>,
    /// Whether nothing comes, although something should.
    stalls: bool,
}

impl Ladder {
    /// Begins at the foot: with WebRTC, or with the stream where that is known to lead nowhere.
    pub fn begin(&mut self, means: Means, now: f64) {
        *self = Self { means, number: self.number, ..Self::default() };
        let stream = means.stream && (means.blocked || !means.webrtc);
        self.used = Some(self.leg(stream, None, now));
        self.try_at = now + if stream { FIRST_TRY_AFTER_MILLIS } else { TRY_EVERY_MILLIS };
    }

    /// Lets go of everything.
    pub fn end(&mut self) {
        (self.used, self.tried) = (None, None);
    }

    /// The session that is used, and the one that is tried besides.
    pub fn legs(&self) -> [Option<Leg>; 2] {
        [self.used, self.tried]
    }

    /// Whether it is the session of this number that is used.
    pub fn uses(&self, number: u32) -> bool {
        self.used.is_some_and(|used| used.number == number)
    }

    /// The way of what is used, while it is connected.
    pub fn way(&self) -> Option<Way> {
        self.used.filter(Leg::is_connected)?.way
    }

    /// Takes what happened to the session of this number; whether it concerns more than the choice of the way.
    pub fn take(&mut self, number: u32, event: &Event, now: f64) -> bool {
        let ends = matches!(
            event,
            Event::Broken(..)
                | Event::Forgotten(_)
                | Event::Refused(..)
                | Event::Unable(_)
                | Event::Failed(_)
        );
        if let Event::Answered { turn_only, .. } = event {
            self.turn_only = *turn_only;
        }
        match (&mut self.used, &mut self.tried) {
            (Some(used), _) if used.number == number => {
                used.take(event, now);
                !(ends && self.goes_on_after(event, now))
            }
            (_, Some(tried)) if tried.number == number => {
                tried.take(event, now);
                if ends {
                    self.give_up(now);
                }
                if let Event::Refused(Refusal::Status { retry_after_secs: Some(secs), .. }, _) = event {
                    let asked = now + f64::from((*secs).min(LONGEST_RETRY_AFTER_SECS)) * 1_000.0;
                    (self.try_at, self.retry_at) = (self.try_at.max(asked), self.retry_at.max(asked));
                }
                false
            }
            _ => false,
        }
    }

    /// Whether the relay allows no way but TURN, as far as it said.
    pub fn turn_only(&self) -> bool {
        self.turn_only
    }

    /// Looks at the clock. `still`: no packet can be waited for, since the source has stopped.
    pub fn look(&mut self, still: bool, now: f64) {
        let Some(used) = self.used else { return };
        if !used.stalls {
            self.retries = 0;
        }
        match self.tried {
            Some(tried) => self.compare(used, tried, still, now),
            None => self.try_besides(used, now),
        }
    }

    /// What is used is to give way to another session of its kind.
    pub fn renew(&mut self, now: f64) {
        if let Some(used) = self.used {
            self.renews = true;
            self.tried = Some(self.leg(used.stream, None, now));
        }
    }

    fn compare(&mut self, used: Leg, tried: Leg, still: bool, now: f64) {
        let lost = used.stalls || !used.is_connected();
        let proven = tried.connected_at.is_some_and(|at| now - at >= PROVEN_AFTER_MILLIS);
        let ready = tried.flows || proven && (still || used.stalls);
        let is_better = tried.way.zip(used.way).is_some_and(|(tried, used)| tried < used);
        if ready && (lost || is_better || self.renews) {
            self.used = Some(tried);
            // A WebRTC session that has not come about yet may still do so.
            self.tried = Some(used).filter(|used| !used.is_connected());
            (self.tries, self.try_at, self.renews) = (0, now + TRY_EVERY_MILLIS, false);
        } else if tried.stream && !lost && !self.renews {
            // WebRTC came about before the stream.
            self.tried = None;
        } else if used.stalls && tried.is_late(now) && self.has_stream() {
            self.used = Some(self.leg(true, None, now));
        } else if now - tried.opened_at > patience(used, tried) {
            self.give_up(now);
        }
    }

    fn try_besides(&mut self, used: Leg, now: f64) {
        if self.renews && now >= self.try_at {
            return self.renew(now);
        }
        if used.is_late(now) && self.has_stream() {
            self.tried = Some(self.leg(true, None, now));
        }
        let improves = used.way.is_some_and(|way| way > Way::Udp) && (used.stream || !self.turn_only);
        let is_due = now >= self.try_at && improves || now >= self.retry_at && used.stalls;
        if used.is_connected() && self.means.webrtc && is_due {
            let better_than = used.way.filter(|_| !used.stalls);
            self.tried = Some(self.leg(false, better_than, now));
        }
    }

    /// What is used has ended: whether another session takes its place.
    fn goes_on_after(&mut self, event: &Event, now: f64) -> bool {
        let Some(used) = self.used.filter(|_| !matches!(event, Event::Failed(_))) else { return false };
        let leads_nowhere = matches!(event, Event::Broken(..) | Event::Unable(_)) && !used.is_connected();
        self.without_stream |= used.stream && leads_nowhere;
        let other = match self.tried.take() {
            Some(tried) if leads_nowhere || tried.is_connected() => Some(tried),
            None if leads_nowhere && used.stream && self.means.webrtc && !self.had_webrtc => {
                Some(self.leg(false, None, now))
            }
            None if leads_nowhere && !used.stream && self.has_stream() => Some(self.leg(true, None, now)),
            _ => None,
        };
        self.used = other.or(self.used);
        self.renews &= other.is_none();
        other.is_some()
    }

    /// The quiet try came to nothing.
    fn give_up(&mut self, now: f64) {
        let Some(tried) = self.tried.take() else { return };
        self.without_stream |= tried.stream && !self.renews;
        let every = match self.tries {
            _ if self.renews => RENEW_EVERY_MILLIS,
            ..FIRST_TRIES => TRY_EVERY_MILLIS,
            _ => TRY_LATER_EVERY_MILLIS,
        };
        self.tries = self.tries.saturating_add(1);
        self.try_at = (tried.opened_at + every).max(now);
        self.retry_at =
            tried.opened_at + RETRY_AFTER_MILLIS * f64::from(1_u32 << self.retries.min(DOUBLINGS));
        self.retries = self.retries.saturating_add(1);
    }

    fn has_stream(&self) -> bool {
        self.means.stream && !self.without_stream
    }

    fn leg(&mut self, stream: bool, better_than: Option<Way>, now: f64) -> Leg {
        self.number = self.number.wrapping_add(1);
        self.had_webrtc |= !stream;
        Leg {
            number: self.number,
            stream,
            better_than,
            opened_at: now,
            answered_at: None,
            connected_at: None,
            flows: false,
            way: stream.then_some(Way::Stream),
            stalls: false,
        }
    }
}

impl Leg {
    fn is_connected(&self) -> bool {
        self.connected_at.is_some()
    }

    /// Whether it is WebRTC that seems to lead nowhere.
    fn is_late(&self, now: f64) -> bool {
        let answered = self.answered_at.is_some_and(|at| now - at > STREAM_AFTER_MILLIS);
        answered && !self.stream && !self.is_connected()
    }

    fn take(&mut self, event: &Event, now: f64) {
        match event {
            Event::Answered { .. } => self.answered_at = Some(now),
            Event::Connected => self.connected_at = self.connected_at.or(Some(now)),
            Event::Seen { way, flows } => {
                self.way = *way;
                self.flows |= flows;
                self.stalls &= !flows;
            }
            Event::Stalled | Event::Unanswered => self.stalls = self.is_connected(),
            _ => {}
        }
    }
}

/// How long a session may be tried. The first of all is given the time that it would have had alone.
fn patience(used: Leg, tried: Leg) -> f64 {
    if tried.stream || tried.number < used.number { CONNECT_WITHIN_MILLIS } else { TRY_FOR_MILLIS }
}

#[cfg(test)]
mod tests;
