//! The list of sources as everybody sees it: what ingest knows of containers, who may talk into them, and the rooms.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use soundport_api as api;
use soundport_core::SourceId;
use soundport_core::talkback::{Destination, TalkConfig, TalkState, TalkStatus};
use tokio::sync::watch;

use crate::configured::{Permission, Permissions};
use crate::ingest::Known;
use crate::network::host_addresses;
use crate::talkback::{TalkNews, TalkbackHandle};

/// What the list is made of.
pub(crate) struct Inputs {
    pub(crate) known: watch::Receiver<Arc<[Known]>>,
    pub(crate) news: watch::Receiver<TalkNews>,
    pub(crate) permissions: watch::Receiver<Arc<Permissions>>,
    /// The sources that this process plays itself, and where each hears, if it does.
    pub(crate) built_in: HashMap<SourceId, Option<SocketAddr>>,
}

/// What becomes of them.
pub(crate) struct Outputs {
    pub(crate) sources: watch::Sender<Arc<[api::Source]>>,
    /// The sources that can be talked into now: allowed, and somebody knows where they are.
    pub(crate) talkable: watch::Sender<Arc<HashSet<String>>>,
    pub(crate) talkback: TalkbackHandle,
}

/// Keeps the list for ever.
pub(crate) async fn keep(mut inputs: Inputs, outputs: Outputs) {
    let mut configs = Vec::new();
    let mut ground = None;
    loop {
        let known = inputs.known.borrow_and_update().clone();
        let permissions = inputs.permissions.borrow_and_update().clone();
        let news = inputs.news.borrow_and_update().clone();
        // Who speaks changes many times a second, and what it stands on seldom.
        let stands = |(old_known, old_permissions): &(Arc<[Known]>, Arc<Permissions>)| {
            Arc::ptr_eq(old_known, &known) && Arc::ptr_eq(old_permissions, &permissions)
        };
        if !ground.as_ref().is_some_and(stands) {
            let fresh = talk_configs(&known, &permissions, &inputs.built_in);
            if replace(&mut configs, fresh) {
                outputs.talkback.configure(configs.clone());
            }
            ground = Some((known.clone(), permissions));
        }
        let reachable = configs.iter().filter(|config| config.room || config.destination.is_some());
        let talkable: HashSet<String> = reachable.map(|config| config.source.to_string()).collect();
        outputs.talkable.send_if_modified(|old| replace(old, Arc::new(talkable)));
        outputs.sources.send_if_modified(|old| replace(old, list(&known, &news, &configs).into()));
        let changed = tokio::select! {
            changed = inputs.known.changed() => changed,
            changed = inputs.news.changed() => changed,
            changed = inputs.permissions.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Returns whether it is another.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let is_other = *old != new;
    if is_other {
        *old = new;
    }
    is_other
}

/// Which sources may be talked into, and where their containers are.
fn talk_configs(
    all: &[Known],
    permissions: &Permissions,
    built_in: &HashMap<SourceId, Option<SocketAddr>>,
) -> Vec<TalkConfig> {
    let own = host_addresses();
    let said: HashMap<&str, &Permission> =
        permissions.entries.iter().map(|entry| (entry.id.as_str(), entry)).collect();
    let bitrate_bps = |said: Option<&Permission>| {
        said.and_then(|said| said.bitrate_bps).unwrap_or(permissions.encode.bitrate_bps)
    };
    let containers = all.iter().filter_map(|known| {
        let id = known.source.id.as_str();
        let said = said.get(id).copied().filter(|said| !said.room);
        let source = SourceId::new(id);
        let built_in = built_in.get(&source);
        let is_allowed = match built_in {
            Some(hears) => hears.is_some(),
            None => said.and_then(|said| said.talk).unwrap_or(permissions.allow_talk),
        };
        let learned = || {
            let address = known.address.filter(|address| !is_taken(all, id, *address))?;
            Some(Destination { address: container(address, &own), port: None })
        };
        let destination = match (built_in, said.and_then(|said| said.to)) {
            (Some(hears), _) => hears.map(|at| Destination { address: at.ip(), port: Some(at.port()) }),
            (None, Some(to)) => to,
            (None, None) => learned(),
        };
        is_allowed.then(|| TalkConfig {
            source,
            title: format!("{} microphone", known.source.title),
            destination,
            room: false,
            monitor: said.is_some_and(|said| said.monitor),
            bitrate_bps: bitrate_bps(said),
        })
    });
    let rooms = permissions.entries.iter().filter(|entry| entry.room).map(|entry| TalkConfig {
        source: entry.id.clone(),
        title: entry.title.clone(),
        destination: None,
        room: true,
        monitor: false,
        bitrate_bps: bitrate_bps(Some(entry)),
    });
    containers.chain(rooms).collect()
}

/// Whether the address of a container that is lost is now another's, who must not hear what is said to the first.
fn is_taken(all: &[Known], id: &str, address: IpAddr) -> bool {
    let is_lost = |known: &Known| known.source.state == api::SourceState::Lost;
    let own_is_lost = all.iter().any(|known| known.source.id == id && is_lost(known));
    let others = all.iter().filter(|known| known.source.id != id && !is_lost(known));
    own_is_lost && others.into_iter().any(|other| other.address == Some(address))
}

/// Where the container's announcements are heard. One that shares this host's network cannot hear them at an address
/// of the relay, which has opened the port at all of them: it listens at 127.0.0.2.
fn container(address: IpAddr, own: &[IpAddr]) -> IpAddr {
    if address.is_loopback() || own.contains(&address) {
        return Ipv4Addr::new(127, 0, 0, 2).into();
    }
    address
}

fn list(known: &[Known], news: &TalkNews, configs: &[TalkConfig]) -> Vec<api::Source> {
    let talkable: HashMap<&str, &TalkConfig> =
        configs.iter().map(|config| (config.source.as_str(), config)).collect();
    let status = |id: &str| news.statuses.iter().find(|status| status.source.as_str() == id);
    let is_room = |id: &str| talkable.get(id).is_some_and(|config| config.room);
    let containers = known.iter().filter(|known| !is_room(&known.source.id)).map(|known| {
        let id = known.source.id.as_str();
        let talk = talkable.contains_key(id);
        let talkback = talk.then(|| talkback(status(id)));
        api::Source { talk, talkback, ..known.source.clone() }
    });
    let rooms = configs.iter().filter(|config| config.room).map(|config| {
        let id = config.source.as_str();
        room(config, status(id), news.listeners.get(&config.source).copied().unwrap_or_default())
    });
    containers.chain(rooms).collect()
}

fn room(config: &TalkConfig, status: Option<&TalkStatus>, listeners: u32) -> api::Source {
    let is_live = status.is_some_and(|status| status.talkers.iter().any(|talker| talker.speaking));
    api::Source {
        id: config.source.to_string(),
        title: config.title.clone(),
        state: if is_live { api::SourceState::Live } else { api::SourceState::Idle },
        format: None,
        talk: true,
        talkback: Some(talkback(status)),
        room: true,
        listeners,
        trouble: None,
    }
}

fn talkback(status: Option<&TalkStatus>) -> api::Talkback {
    let Some(status) = status else {
        return api::Talkback { state: api::TalkbackState::Closed, talkers: Vec::new(), trouble: None };
    };
    let talker = |talker: &soundport_core::talkback::TalkerStatus| api::Talker {
        id: talker.id.0,
        speaking: talker.speaking,
    };
    api::Talkback {
        state: match status.state {
            TalkState::Closed => api::TalkbackState::Closed,
            TalkState::Opening => api::TalkbackState::Opening,
            TalkState::Open => api::TalkbackState::Open,
            TalkState::Refused => api::TalkbackState::Refused,
        },
        talkers: status.talkers.iter().map(talker).collect(),
        trouble: status.trouble.clone(),
    }
}
