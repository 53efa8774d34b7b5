use super::Quiet;

/// Levels below this are called silence: -80 dBFS, under the noise of any recording and over the dither of an encoder.
const SILENCE: f32 = 1.0e-4;

/// How long nothing may be heard before the page says so; longer than a pause in speech.
const QUIET_AFTER_MILLIS: f64 = 3_000.0;

/// How long packets may stay away before the relay is asked whether the session still stands.
const STALLED_AFTER_MILLIS: f64 = 1_500.0;

/// How often the relay is asked while packets stay away.
const ASK_EVERY_MILLIS: f64 = 2_000.0;

/// How often it is asked while it says itself that nothing is to come.
const ASK_STOPPED_EVERY_MILLIS: f64 = 10_000.0;

/// How long the browser may take to let sound out once the connection stands.
const BLOCKED_AFTER_MILLIS: f64 = 2_000.0;

/// How long a session may take to stand.
const CONNECT_WITHIN_MILLIS: f64 = 10_000.0;

/// Judges a session by what is measured of it, ten times a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    opened_at: f64,
    connected_at: Option<f64>,
    sound_at: Option<f64>,
    packets: u64,
    packet_at: f64,
    asked_at: f64,
    halted_at: Option<f64>,
}

/// What is measured of a session at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// A clock of milliseconds that never goes back.
    pub now_millis: f64,
    /// Whether the connection stands.
    pub connected: bool,
    /// Whether the browser lets sound out.
    pub running: bool,
    /// Packets received since the session began.
    pub packets: u64,
    /// The largest sample magnitude of late, 0..1.
    pub peak: f32,
    /// Whether the relay says that the source has stopped.
    pub source_stopped: bool,
}

/// What a reading means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// There is sound.
    Sound,
    /// There is none, and this is why.
    Quiet(Quiet),
    /// Packets stay away: ask the relay whether the session still stands.
    Ask,
    /// The browser holds the sound back.
    Blocked,
    /// The connection did not come to stand in time.
    NeverConnected,
}

impl Watch {
    /// A watch over a session that was opened now.
    pub fn new(now_millis: f64) -> Self {
        Self {
            opened_at: now_millis,
            connected_at: None,
            sound_at: None,
            packets: 0,
            packet_at: now_millis,
            asked_at: f64::NEG_INFINITY,
            halted_at: None,
        }
    }

    /// Takes a reading, and says what it means.
    pub fn read(&mut self, reading: Reading) -> Option<Finding> {
        let now = reading.now_millis;
        if reading.packets != self.packets {
            self.packets = reading.packets;
            self.packet_at = now;
        }
        if reading.connected && self.connected_at.is_none() {
            self.connected_at = Some(now);
            self.packet_at = now;
        }
        if reading.running || !reading.connected {
            self.halted_at = None;
        } else if now - *self.halted_at.get_or_insert(now) > BLOCKED_AFTER_MILLIS {
            return Some(Finding::Blocked);
        }
        // What is heard before the connection stands is another session's, which fades out.
        if reading.peak > SILENCE && self.connected_at.is_some() {
            self.sound_at = Some(now);
            return Some(Finding::Sound);
        }
        let stopped = reading.source_stopped;
        let stalled = now - self.packet_at > STALLED_AFTER_MILLIS;
        let ask_at = match stopped {
            true => self.asked_at.max(self.packet_at) + ASK_STOPPED_EVERY_MILLIS,
            false if self.asked_at < self.packet_at => now,
            false => self.asked_at + ASK_EVERY_MILLIS,
        };
        if stalled && now >= ask_at {
            self.asked_at = now;
            return Some(Finding::Ask);
        }
        let Some(connected_at) = self.connected_at else {
            return (now - self.opened_at > CONNECT_WITHIN_MILLIS).then_some(Finding::NeverConnected);
        };
        if stopped {
            // When it plays again its sound is given a moment to come.
            self.sound_at = Some(now);
            return Some(Finding::Quiet(Quiet::SourceStopped));
        }
        let quiet_for = now - self.sound_at.unwrap_or(connected_at);
        let quiet = if stalled { Quiet::NoPackets } else { Quiet::Zeros };
        (quiet_for >= QUIET_AFTER_MILLIS).then_some(Finding::Quiet(quiet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads ten times a second from `from` to `to`, with a new packet each time where `flowing`.
    fn watch(watch: &mut Watch, from: u32, to: u32, reading: Reading, flowing: bool) -> Vec<(u32, Finding)> {
        let mut found: Vec<(u32, Finding)> = vec![];
        for now in (from..to).step_by(100) {
            let packets = if flowing { u64::from(now) } else { reading.packets };
            let finding = watch.read(Reading { now_millis: f64::from(now), packets, ..reading });
            if let Some(finding) = finding
                && found.last().is_none_or(|last| last.1 != finding)
            {
                found.push((now, finding));
            }
        }
        found
    }

    const OPEN: Reading = Reading {
        now_millis: 0.0,
        connected: true,
        running: true,
        packets: 0,
        peak: 0.0,
        source_stopped: false,
    };

    #[test]
    fn sound_is_found_at_once_and_a_short_pause_is_no_silence() {
        let mut ear = Watch::new(0.0);
        assert_eq!(watch(&mut ear, 0, 500, Reading { peak: 0.1, ..OPEN }, true), [(0, Finding::Sound)]);
        assert_eq!(watch(&mut ear, 500, 3_400, OPEN, true), []);
        assert_eq!(watch(&mut ear, 3_400, 5_000, OPEN, true), [(3_400, Finding::Quiet(Quiet::Zeros))]);
    }

    #[test]
    fn a_source_that_stopped_is_named_at_once_and_its_return_is_waited_for() {
        let mut ear = Watch::new(0.0);
        watch(&mut ear, 0, 500, Reading { peak: 0.1, ..OPEN }, true);
        let stopped = Reading { source_stopped: true, packets: 400, ..OPEN };
        let found = watch(&mut ear, 500, 9_000, stopped, false);
        assert_eq!(found, [(500, Finding::Quiet(Quiet::SourceStopped))]);
        assert_eq!(watch(&mut ear, 9_000, 11_900, OPEN, true), [], "its sound is on the way");
        watch(&mut ear, 11_900, 12_000, stopped, false);
        let tail = watch(&mut ear, 12_000, 12_100, Reading { peak: 0.1, ..stopped }, false);
        assert_eq!(tail, [(12_000, Finding::Sound)], "what is still heard is no silence");
    }

    #[test]
    fn a_session_whose_source_stopped_is_asked_about_seldom() {
        let mut ear = Watch::new(0.0);
        watch(&mut ear, 0, 500, Reading { peak: 0.1, ..OPEN }, true);
        let stopped = Reading { source_stopped: true, packets: 400, ..OPEN };
        let found = watch(&mut ear, 500, 40_000, stopped, false);
        let asks = found.iter().filter(|found| found.1 == Finding::Ask).count();
        assert!((3..=4).contains(&asks), "{found:?}");
    }

    #[test]
    fn packets_that_stay_away_make_it_ask_again_and_again() {
        let mut ear = Watch::new(0.0);
        watch(&mut ear, 0, 500, Reading { peak: 0.1, ..OPEN }, true);
        let gone = Reading { packets: 400, ..OPEN };
        let asks = watch(&mut ear, 500, 7_000, gone, false);
        let asks: Vec<u32> =
            asks.iter().filter(|found| found.1 == Finding::Ask).map(|found| found.0).collect();
        assert_eq!(asks, [2_000, 4_000, 6_000]);
    }

    #[test]
    fn a_browser_that_lets_no_sound_out_is_given_a_moment() {
        let mut ear = Watch::new(0.0);
        let halted = Reading { running: false, ..OPEN };
        assert_eq!(watch(&mut ear, 0, 2_100, halted, true), []);
        assert_eq!(watch(&mut ear, 2_100, 2_200, halted, true), [(2_100, Finding::Blocked)]);
        assert_eq!(
            watch(&mut ear, 2_200, 2_300, Reading { peak: 0.1, ..OPEN }, true),
            [(2_200, Finding::Sound)]
        );
    }

    #[test]
    fn what_another_session_leaves_behind_is_no_sound_of_this_one() {
        let mut ear = Watch::new(0.0);
        let early = Reading { connected: false, peak: 0.1, ..OPEN };
        assert_eq!(watch(&mut ear, 0, 1_000, early, false), []);
        let found = watch(&mut ear, 1_000, 1_100, Reading { peak: 0.1, ..OPEN }, true);
        assert_eq!(found, [(1_000, Finding::Sound)]);
    }

    #[test]
    fn a_connection_that_never_stands_is_given_up() {
        let mut ear = Watch::new(0.0);
        let never = Reading { connected: false, ..OPEN };
        let found = watch(&mut ear, 0, 10_200, never, false);
        let asks = found.iter().filter(|found| found.1 == Finding::Ask).count();
        assert_eq!((asks, found.last().copied()), (1, Some((10_100, Finding::NeverConnected))), "{found:?}");
    }
}
