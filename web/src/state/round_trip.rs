/// From here on there is sound: -40 dBFS, above the noise of a room and below a voice.
const SOUND: f32 = 0.01;

/// How long there must have been no sound before a beginning counts as one.
const PAUSE_MILLIS: f64 = 300.0;

/// What has not come back by now will not.
const LONGEST_MILLIS: f64 = 3_000.0;

/// Finds out how long what is said takes to be heard again, by the beginnings of sound on both ways.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RoundTrip {
    said: Onset,
    heard: Onset,
    /// When that was said which is waited for.
    waits_since: Option<f64>,
    last_millis: Option<f64>,
}

/// What there was at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// A clock of milliseconds.
    pub now_millis: f64,
    /// The largest sample magnitude of what is sent, 0..1.
    pub said: f32,
    /// The largest sample magnitude of what is heard, 0..1.
    pub heard: f32,
}

/// Finds beginnings of sound after a pause.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Onset {
    sound_at: f64,
}

impl Default for Onset {
    fn default() -> Self {
        Self { sound_at: f64::NEG_INFINITY }
    }
}

impl RoundTrip {
    /// The newest time, in milliseconds.
    pub fn last_millis(&self) -> Option<f64> {
        self.last_millis
    }

    /// Takes what there is now; true where it ends a measurement. What is heard comes out of the loudspeaker `latency_millis` later.
    pub fn take(&mut self, sample: Sample, latency_millis: f64) -> bool {
        let now = sample.now_millis;
        let is_quiet = self.heard.is_quiet(now);
        let heard = self.heard.begins(sample.heard, now);
        if self.said.begins(sample.said, now) {
            // What is heard already would drown what comes back.
            self.waits_since = is_quiet.then_some(now);
            return false;
        }
        let Some(since) = self.waits_since.filter(|_| heard) else { return false };
        self.waits_since = None;
        let millis = now - since + latency_millis;
        if millis > LONGEST_MILLIS {
            return false;
        }
        self.last_millis = Some(millis);
        true
    }
}

impl Onset {
    fn is_quiet(&self, now: f64) -> bool {
        now - self.sound_at >= PAUSE_MILLIS
    }

    fn begins(&mut self, magnitude: f32, now: f64) -> bool {
        if magnitude < SOUND {
            return false;
        }
        let begins = self.is_quiet(now);
        self.sound_at = now;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays what is said, as intervals of milliseconds, and hears it again later; the times that were found.
    fn found(said: &[(u32, u32)], delay_millis: u32, disturbed: &[(u32, u32)]) -> Vec<f64> {
        let loud = |times: &[(u32, u32)], at: u32| times.iter().any(|(from, to)| (*from..*to).contains(&at));
        let level = |loud| if loud { 0.2 } else { 0.002 };
        let mut round_trip = RoundTrip::default();
        let sample = |at: u32| Sample {
            now_millis: 1.0e12 + f64::from(at),
            said: level(loud(said, at)),
            heard: level(loud(disturbed, at) || (at >= delay_millis && loud(said, at - delay_millis))),
        };
        let mut take = |at| round_trip.take(sample(at), 0.0).then(|| round_trip.last_millis().unwrap());
        (0..12_000).step_by(8).filter_map(&mut take).collect()
    }

    #[test]
    fn the_time_from_a_word_to_its_echo_is_found() {
        assert_eq!(found(&[(1_000, 1_400)], 208, &[]), [208.0]);
        let twice = found(&[(1_000, 1_400), (3_000, 9_000)], 210, &[]);
        assert_eq!(twice.len(), 2);
        assert!(twice.iter().all(|millis| (millis - 210.0).abs() <= 8.0), "{twice:?}");
    }

    #[test]
    fn syllables_are_no_beginnings() {
        let syllables = [(1_000, 1_100), (1_200, 1_300), (1_450, 1_600), (1_800, 1_900)];
        assert_eq!(found(&syllables, 120, &[]), [120.0]);
    }

    #[test]
    fn what_is_heard_already_hides_the_echo() {
        assert_eq!(found(&[(1_000, 1_400)], 208, &[(200, 8_000)]), [0.0; 0]);
        assert_eq!(found(&[(1_000, 1_400)], 400, &[(200, 1_050)]), [0.0; 0]);
    }

    #[test]
    fn what_does_not_come_back_is_not_waited_for() {
        assert_eq!(found(&[(1_000, 1_200)], 10_000, &[(4_200, 4_300)]), [0.0; 0]);
    }
}
