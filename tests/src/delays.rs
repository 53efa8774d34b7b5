use std::time::{Duration, SystemTime};

use crate::{Onset, Recording};

/// Above what an encoder smears before a sharp onset.
const LOUD: f32 = 0.15;

/// For each onset of [`Signal::Onsets`](crate::Signal::Onsets) that was heard, the time since its packet was sent, by when each
/// block of 128 frames came. Delays of `every` and more cannot be told from shorter ones.
pub fn delays(onsets: &[Onset], every: Duration, heard: &Recording, times: &[SystemTime]) -> Vec<Duration> {
    let arrivals = arrivals(heard, times);
    let first_after = |sent: SystemTime| {
        let since = arrivals.iter().filter_map(|arrival| arrival.duration_since(sent).ok());
        since.min().filter(|delay| *delay < every)
    };
    let began = times.first().copied().unwrap_or(SystemTime::UNIX_EPOCH);
    let within = onsets.iter().filter(|onset| onset.sent > began);
    within.filter_map(|onset| first_after(onset.sent)).collect()
}

/// When each burst's first loud sample came into the audio graph.
fn arrivals(heard: &Recording, times: &[SystemTime]) -> Vec<SystemTime> {
    let pause = heard.rate as usize / 10;
    let mut last_loud = None;
    let mut arrivals = Vec::new();
    for (index, frame) in heard.frames.iter().enumerate() {
        if frame[0].abs() > LOUD {
            if last_loud.is_some_and(|last| index - last > pause) {
                arrivals.push(times[index / 128]);
            }
            last_loud = Some(index);
        }
    }
    arrivals
}
