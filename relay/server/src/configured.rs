//! The sources that the configuration names. Their senders' names are looked up again and again: a container that comes
//! back with another address is found by its name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

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
    let mut told = None;
    loop {
        let now = wanted.borrow_and_update().clone();
        let mut configs = Vec::with_capacity(now.sources.len());
        for entry in &now.sources {
            configs.push(resolve(entry).await);
        }
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

fn is_fixed(entry: &SourceEntry) -> bool {
    entry.from.as_ref().is_none_or(|from| from.host.parse::<IpAddr>().is_ok())
}

async fn resolve(entry: &SourceEntry) -> SourceConfig {
    let (from, trouble) = match &entry.from {
        None => (None, None),
        Some(from) => match addresses(&from.host).await {
            Ok(addresses) => (Some(addresses), None),
            Err(trouble) => (Some(Vec::new()), Some(trouble)),
        },
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

async fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![ip.to_canonical()]);
    }
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
            addresses.sort();
            addresses.dedup();
            Ok(addresses)
        }
        Err(_) => Err(format!("No machine is known by the name {host}. It is looked up again and again.")),
    }
}

fn warn_of(configs: &[SourceConfig]) {
    for config in configs {
        if let Some(trouble) = &config.trouble {
            warn!(source = %config.id, "{trouble}");
        }
    }
}
