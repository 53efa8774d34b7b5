//! The sources that the configuration names. Their senders' names are looked up again and again: a container that comes
//! back with another address is found by its name.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use soundport_core::SourceId;
use soundport_core::ingest::{EncodeConfig, RtpPort, SourceConfig};
use soundport_core::talkback::Destination;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::ingest::IngestHandle;
use crate::options::{From, SourceEntry};

/// How often names are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// What the configuration says of sources, and may say otherwise when it is loaded again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) sources: Vec<SourceEntry>,
    pub(crate) encode: EncodeConfig,
    /// Whether containers may be talked into of which nothing is said.
    pub(crate) allow_talk: bool,
}

/// What is wanted of talking, with the addresses that names stand for now.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Permissions {
    pub(crate) allow_talk: bool,
    pub(crate) encode: EncodeConfig,
    pub(crate) entries: Vec<Permission>,
}

/// What is said of talking into one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) id: SourceId,
    pub(crate) title: String,
    /// Whether it is allowed, if something is said of it.
    pub(crate) talk: Option<bool>,
    /// Where its microphone is, if not at its sender's address; none inside while the name stands for no address.
    pub(crate) to: Option<Option<Destination>>,
    pub(crate) monitor: bool,
    pub(crate) room: bool,
    /// Bits per second of what is mixed, if not as for all.
    pub(crate) bitrate_bps: Option<u32>,
}

/// Tells ingest, and those who decide on talking, what is wanted, now and whenever it changes, for ever.
pub(crate) async fn keep(
    mut wanted: watch::Receiver<Arc<Wanted>>,
    ingest: IngestHandle,
    permissions: watch::Sender<Arc<Permissions>>,
) {
    let (mut known, mut microphones_known) = (HashMap::new(), HashMap::new());
    let mut told = None;
    loop {
        let now = wanted.borrow_and_update().clone();
        let senders = join_all(now.sources.iter().map(|entry| look_up(entry.from.as_ref()))).await;
        let microphones = join_all(now.sources.iter().map(|entry| look_up(entry.talk_to.as_ref()))).await;
        let containers = now.sources.iter().zip(senders).filter(|(entry, _)| !entry.room);
        let configs: Vec<SourceConfig> =
            containers.map(|(entry, found)| config(entry, found, &mut known)).collect();
        let fresh = Some((configs, now.encode, rooms(&now.sources)));
        if told != fresh {
            told.clone_from(&fresh);
            if let Some((configs, encode, rooms)) = fresh {
                warn_of(&configs);
                ingest.configure(configs, encode, rooms);
            }
        }
        let entries = now.sources.iter().zip(microphones);
        let entries = entries.map(|(entry, found)| permission(entry, found, &mut microphones_known));
        let fresh =
            Permissions { allow_talk: now.allow_talk, encode: now.encode, entries: entries.collect() };
        permissions.send_if_modified(|permissions| {
            let is_new = **permissions != fresh;
            if is_new {
                *permissions = Arc::new(fresh);
            }
            is_new
        });
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

/// The ids that are rooms'.
pub(crate) fn rooms(sources: &[SourceEntry]) -> HashSet<SourceId> {
    sources.iter().filter(|entry| entry.room).map(|entry| SourceId::new(entry.id.as_str())).collect()
}

/// What can be told before any name is looked up.
pub(crate) fn without_names(sources: &[SourceEntry]) -> Vec<SourceConfig> {
    let numeric = |entry: &SourceEntry| Some(Ok(vec![entry.from.as_ref()?.host.parse::<IpAddr>().ok()?]));
    let nobody = |entry: &SourceEntry| entry.from.as_ref().map(|_| Ok(Vec::new()));
    sources
        .iter()
        .filter(|entry| !entry.room)
        .map(|entry| config(entry, numeric(entry).or_else(|| nobody(entry)), &mut HashMap::new()))
        .collect()
}

fn is_fixed(entry: &SourceEntry) -> bool {
    let hosts = [entry.from.as_ref(), entry.talk_to.as_ref()];
    hosts.into_iter().flatten().all(|at| at.host.parse::<IpAddr>().is_ok())
}

/// The addresses that a name stands for now, or why it stands for none; nothing where there is no name.
async fn look_up(name: Option<&From>) -> Option<Result<Vec<IpAddr>, String>> {
    let host = name?.host.as_str();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(Ok(vec![ip]));
    }
    let unknown = || format!("No machine is known by the name {host}. It is looked up again and again.");
    Some(match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => Ok(found.map(|address| address.ip().to_canonical()).collect()),
        Err(_) => Err(unknown()),
    })
}

/// What is said of talking into an entry's source. A name keeps the address it had while that is among those `found`, or
/// none is.
fn permission(
    entry: &SourceEntry,
    found: Option<Result<Vec<IpAddr>, String>>,
    known: &mut HashMap<String, IpAddr>,
) -> Permission {
    let to = entry.talk_to.as_ref();
    if let (Some(to), Some(Ok(found))) = (to, found)
        && known.get(&to.host).is_none_or(|address| !found.contains(address))
        && let Some(address) = found.first()
    {
        known.insert(to.host.clone(), *address);
    }
    let destination = |to: &From| Some(Destination { address: *known.get(&to.host)?, port: to.port });
    Permission {
        id: SourceId::new(entry.id.as_str()),
        title: entry.title.clone(),
        talk: entry.talk.or_else(|| to.map(|_| true)),
        to: to.map(destination),
        monitor: entry.monitor_talkers,
        room: entry.room,
        bitrate_bps: entry.bitrate_bps,
    }
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
