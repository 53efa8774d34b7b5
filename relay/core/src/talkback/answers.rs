use std::time::Instant;

/// How many refusals the container can send: Linux sends six at once to anybody, and then one a second
/// (`icmp_ratelimit`). The rest of what it refuses it drops in silence.
#[derive(Debug)]
pub(crate) struct Answers {
    left: f32,
    at: Instant,
}

/// The most that are left.
const MOST_ANSWERS: f32 = 6.0;

/// How many more come in a second: a little less than Linux allows.
const ANSWERS_PER_SECOND: f32 = 0.95;

impl Answers {
    /// None were sent lately.
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: MOST_ANSWERS, at: now }
    }

    /// Whether one more datagram would be refused aloud.
    pub(crate) fn are_left(&mut self, now: Instant) -> bool {
        self.spend(0.0, now);
        self.left >= 1.0
    }

    /// So many datagrams may have been refused.
    pub(crate) fn spend(&mut self, datagrams: f32, now: Instant) {
        let more = now.saturating_duration_since(self.at).as_secs_f32() * ANSWERS_PER_SECOND;
        self.left = ((self.left + more).min(MOST_ANSWERS) - datagrams).max(0.0);
        self.at = now;
    }
}
