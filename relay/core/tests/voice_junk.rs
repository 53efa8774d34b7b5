//! Whatever a talker sends, the voice stays within its bounds.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use soundport_core::talkback::{TICK, Voice};
use soundport_core::{MicFrame, TalkerId};

/// One packet, some time after the one before.
#[derive(Debug, Clone)]
struct Junk {
    after_us: u64,
    sequence: u64,
    time: u64,
    data: Vec<u8>,
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..40_u64, 2 => (0..40_u64).prop_map(|n| n * 960), 1 => any::<u64>(), 1 => u64::MAX - 3..=u64::MAX]
}

fn junk() -> impl Strategy<Value = Junk> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(any::<u8>(), 0..3),
        (any::<u8>(), 1..40_u8).prop_map(|(toc, frames)| vec![toc | 3, frames]),
        Just(vec![0xfc; 4_000]),
    ];
    (0..200_000_u64, numbers(), numbers(), data).prop_map(|(after_us, sequence, time, data)| Junk {
        after_us: if after_us < 150_000 { after_us / 10 } else { after_us },
        sequence,
        time,
        data,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_packet_breaks_a_voice(packets in prop::collection::vec(junk(), 1..60)) {
        let begin = beginning();
        let (mut voice, mut now, mut due) = (Voice::new(), Duration::ZERO, Duration::ZERO);
        let count = packets.len() as u64;
        for Junk { after_us, sequence, time, data } in packets {
            now += Duration::from_micros(after_us);
            pull_until(&mut voice, begin, &mut due, now)?;
            voice.handle_frame(MicFrame { talker: TalkerId(1), sequence, time, received: begin + now, data: data.into() });
        }
        prop_assert_eq!(voice.counters().packets, count);
        // However long a packet claims to be, and however many wait, it ends.
        now += Duration::from_secs(12);
        pull_until(&mut voice, begin, &mut due, now)?;
        let mut out = [[1.0; 2]; TICK];
        prop_assert!(!voice.pull(begin + due, &mut out), "sound that never ends");
    }
}

fn pull_until(
    voice: &mut Voice,
    begin: Instant,
    due: &mut Duration,
    now: Duration,
) -> Result<(), TestCaseError> {
    let mut out = [[0.0; 2]; TICK];
    while *due < now {
        voice.pull(begin + *due, &mut out);
        prop_assert!(out.as_flattened().iter().all(|level| level.abs() < 2.0), "{out:?}");
        *due += Duration::from_millis(10);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
fn beginning() -> Instant {
    Instant::now()
}
