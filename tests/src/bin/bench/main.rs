//! Benchmarks of the relay and its page, from outside: each prints a table. Figures are of this machine as it is.
//!
//! `cargo run --release -p soundport-tests --bin bench [latency|click|load|page]…`; without a name, all of them.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod click;
mod latency;
mod load;
mod page;

use anyhow::{Result, bail};

type Bench = fn() -> Result<()>;

const BENCHES: [(&str, Bench); 4] =
    [("latency", latency::run), ("click", click::run), ("load", load::run), ("page", page::run)];

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
