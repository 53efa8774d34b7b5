//! Benchmarks of the relay and its page, from outside: each prints a table. Figures are of this machine as it is.
//!
//! `cargo run --release -p soundport-tests --bin bench [latency|click|talkback|load|sources|events|page]…`; without a name, all of them.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod click;
mod events;
mod latency;
mod load;
mod page;
mod sources;
mod talkback;

use std::time::Instant;

use anyhow::{Result, bail};
use soundport_tests::Usage;

type Bench = fn() -> Result<()>;

const BENCHES: [(&str, Bench); 7] = [
    ("latency", latency::run),
    ("click", click::run),
    ("talkback", talkback::run),
    ("load", load::run),
    ("sources", sources::run),
    ("events", events::run),
    ("page", page::run),
];

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for name in &wanted {
        if !BENCHES.iter().any(|(known, _)| known == name) {
            let names: Vec<&str> = BENCHES.iter().map(|(known, _)| *known).collect();
            bail!("there is no benchmark {name:?}; there are {}", names.join(", "));
        }
    }
    for (name, bench) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            bench()?;
            println!();
        }
    }
    Ok(())
}

/// The value below which a share of all lies (0.5 is the median); not a number without values.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = ((sorted.len() as f64 - 1.0) * share).round().max(0.0) as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// What the relay used over a while.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Of one core.
    cpu_percent: f64,
    /// At the end.
    memory_mb: f64,
}

impl Cost {
    fn since(before: Usage, start: Instant, after: Usage) -> Self {
        let cpu = (after.cpu.saturating_sub(before.cpu)).as_secs_f64();
        Self {
            cpu_percent: 100.0 * cpu / start.elapsed().as_secs_f64(),
            memory_mb: after.resident_bytes as f64 / f64::from(1 << 20),
        }
    }
}
