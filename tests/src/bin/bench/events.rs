//! What subscribers of `/api/events` cost: processor and memory of the relay.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use soundport_api::event_name;
use soundport_tests::{Relay, Subscribers, ToneSender, ToneSenderOptions};

use crate::Cost;

const SOURCE: &str = "127-0-0-1";
const COUNTS: [usize; 2] = [0, 1000];
const MEASURE: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run() -> Result<()> {
    println!(
        "events: subscribers of /api/events without levels, one live source, {} s each",
        MEASURE.as_secs()
    );
    println!("{:>12} {:>12} {:>12} {:>20}", "subscribers", "CPU, %", "memory, MB", "KB per subscriber");
    let mut empty = None;
    for count in COUNTS {
        let relay = Relay::start()?;
        let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
        relay.wait_live(SOURCE)?;
        let mut subscribers = Subscribers::open(relay.http(), count)?;
        let has_all = |now: &Subscribers| now.count(event_name::SOURCES, 1) == count;
        if count > 0 {
            subscribers.attend(CONNECT_LIMIT, has_all)?;
        }
        ensure!(has_all(&subscribers), "not all were answered");
        let before = relay.usage()?;
        let start = Instant::now();
        subscribers.attend(MEASURE, |_| false)?;
        let cost = Cost::since(before, start, relay.usage()?);
        let base = *empty.get_or_insert(cost.memory_mb);
        let each = (cost.memory_mb - base) * 1024.0 / count.max(1) as f64;
        println!("{count:>12} {:>12.2} {:>12.1} {each:>20.1}", cost.cpu_percent, cost.memory_mb);
    }
    Ok(())
}
