//! What a first visit downloads.

use anyhow::Result;
use serde::Deserialize;
use soundport_tests::{Browser, Relay};

#[derive(Deserialize)]
struct Load {
    name: String,
    bytes: f64,
}

pub(crate) fn run() -> Result<()> {
    let relay = Relay::demo()?;
    let browser = Browser::plain()?;
    browser.open(&relay.http_url())?;
    browser.wait("[data-source='demo']")?;
    let loads: Vec<Load> = browser.run(
        "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
           .filter((entry) => !entry.name.includes('/api/'))
           .map((entry) => ({ name: new URL(entry.name).pathname, bytes: entry.encodedBodySize }));",
        vec![],
    )?;
    println!("page: bytes of the first load as they are sent (brotli)");
    for Load { name, bytes } in &loads {
        println!("{bytes:>10} {name}");
    }
    let sum = |wanted: fn(&str) -> bool| {
        loads.iter().filter(|load| wanted(&load.name)).map(|load| load.bytes).sum::<f64>() / 1000.0
    };
    let program = sum(|name| name.ends_with(".js") || name.ends_with(".wasm"));
    println!("in all {:.1} KB, of it wasm and js {program:.1} KB (budget 110)", sum(|_| true));
    browser.close()
}
