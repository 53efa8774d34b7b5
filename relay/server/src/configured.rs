//! The sources that the configuration names. Their senders' names are looked up again and again: a container that comes
//! back with another address is found by its name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use soundport_core::SourceId;
use soundport_core::ingest::{EncodeConfig, RtpPort, SourceConfig};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::ingest::IngestHandle;
use crate::options::SourceEntry;

/// How often names are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// What the configuration says of sources, and may say otherwise when it is loaded again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) sources: Vec<SourceEntry>,
    pub(crate) encode: EncodeConfig,
}

/// Tells ingest what is wanted, now and whenever it changes, for ever.
pub(crate) async fn keep(mut wanted: watch::Receiver<Arc<Wanted>>, ingest: IngestHandle) {
    let mut known = HashMap::new();
    let mut told = None;
    loop {
        let now = wanted.borrow_and_update().clone();
        let found = join_all(now.sources.iter().map(look_up)).await;
        let configs: Vec<SourceConfig> =
            now.sources.iter().zip(found).map(|(entry, found)| config(entry, found, &mut known)).collect();
        let fresh = Some((configs, now.encode));
        if told != fresh {
            told.clone_from(&fresh);
            if let Some((configs, encode)) = fresh {
                warn_of(&configs);
                ingest.configure(configs, encode);
            }
        }
        let named = now.sources.iter().any(|entry| !is_fixed(entry));
        let changed = match named {
            true => timeout(LOOK_UP_EVERY, wanted.changed()).await.unwrap_or(Ok(())),
            false => wanted.changed().await,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// What can be told before any name is looked up.
pub(crate) fn without_names(sources: &[SourceEntry]) -> Vec<SourceConfig> {
    let numeric = |entry: &SourceEntry| Some(Ok(vec![entry.from.as_ref()?.host.parse::<IpAddr>().ok()?]));
    let nobody = |entry: &SourceEntry| entry.from.as_ref().map(|_| Ok(Vec::new()));
    sources
        .iter()
        .map(|entry| config(entry, numeric(entry).or_else(|| nobody(entry)), &mut HashMap::new()))
        .collect()
}

fn is_fixed(entry: &SourceEntry) -> bool {
    entry.from.as_ref().is_none_or(|from| from.host.parse::<IpAddr>().is_ok())
}

/// The addresses that an entry's sender has now, or why it has none; nothing where it names no sender.
async fn look_up(entry: &SourceEntry) -> Option<Result<Vec<IpAddr>, String>> {
    let host = entry.from.as_ref()?.host.as_str();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(Ok(vec![ip]));
    }
    let unknown = || format!("No machine is known by the name {host}. It is looked up again and again.");
    Some(match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(_) => Err(unknown()),
    })
}

/// An entry with its sender's addresses: while they cannot be found out, those `known` before.
fn config(
    entry: &SourceEntry,
    found: Option<Result<Vec<IpAddr>, String>>,
    known: &mut HashMap<String, Vec<IpAddr>>,
) -> SourceConfig {
    let host = entry.from.as_ref().map(|from| from.host.clone()).unwrap_or_default();
    let (from, trouble) = match found {
        None => (None, None),
        Some(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = found.iter().map(IpAddr::to_canonical).collect();
            addresses.sort();
            addresses.dedup();
            known.insert(host, addresses.clone());
            (Some(addresses), None)
        }
        Some(Err(trouble)) => (Some(known.get(&host).cloned().unwrap_or_default()), Some(trouble)),
    };
    SourceConfig {
        id: SourceId::new(entry.id.as_str()),
        title: entry.title.clone(),
        from,
        from_port: entry.from.as_ref().and_then(|from| from.port),
        port: entry.port.map(RtpPort),
        format: entry.format,
        frame: entry.frame,
        bitrate_bps: entry.bitrate_bps,
        trouble,
    }
}

fn warn_of(configs: &[SourceConfig]) {
    for config in configs {
        if let Some(trouble) = &config.trouble {
            warn!(source = %config.id, "{trouble}");
        }
    }
}
