//! Tries the TURN servers at the start, whenever the configuration is read, every few minutes, and when somebody asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use soundport_api as api;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::check::{self, Tried};
use crate::options::{Announce, IceOptions};

/// How often they are tried while nobody asks.
const EVERY: Duration = Duration::from_secs(300);

/// How soon they are tried again while something is wrong.
const AGAIN: Duration = Duration::from_secs(30);

/// For how long an answer is good enough for those who ask.
const LATELY: Duration = Duration::from_secs(10);

/// What is known of the TURN servers.
pub(super) struct Watcher {
    options: watch::Receiver<Arc<IceOptions>>,
    known: watch::Sender<Arc<[api::IceCheck]>>,
    /// Held while a try runs, so that there is one at a time.
    last: Arc<Mutex<Option<Try>>>,
}

/// The last try.
struct Try {
    of: Arc<IceOptions>,
    ended: Instant,
}

impl Watcher {
    pub(super) fn new(options: watch::Receiver<Arc<IceOptions>>) -> Self {
        Self { options, known: watch::Sender::new(Arc::from([])), last: Arc::default() }
    }

    /// What is known, if it was found lately; else what is found now. Takes five seconds at most, or ten if a try runs already.
    pub(super) async fn check_lately(&self) -> Arc<[api::IceCheck]> {
        self.check(LATELY).await
    }

    /// What was found last.
    pub(super) fn known(&self) -> Arc<[api::IceCheck]> {
        self.known.borrow().clone()
    }

    /// Tries them for ever. What is wrong is told once, and so is when it is no longer.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut options = self.options.clone();
        let mut told = None;
        loop {
            options.mark_unchanged();
            let found = self.check(Duration::ZERO).await;
            let troubles = tell_log(&found, told.as_deref());
            let pause = if troubles.is_empty() { EVERY } else { AGAIN };
            told = Some(troubles);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = options.changed() => match changed {
                    // The user has just read the configuration again, to see whether it is right now.
                    Ok(()) => told = None,
                    Err(_) => return,
                },
            }
        }
    }

    async fn check(&self, good_for: Duration) -> Arc<[api::IceCheck]> {
        let mut last = self.last.clone().lock_owned().await;
        let options = self.options.borrow().clone();
        if let Some(Try { of, ended }) = &*last
            && Arc::ptr_eq(of, &options)
            && ended.elapsed() < good_for
        {
            return self.known.borrow().clone();
        }
        let known = self.known.clone();
        // A task of its own, for those who ask may go before it ends, and the next would have to begin again.
        let running = tokio::spawn(async move {
            let (found, tried) = check_all(&options).await;
            *last = Some(Try { of: options, ended: Instant::now() });
            known.send_replace(found);
            drop(last);
            tokio::spawn(join_all(tried.into_iter().map(Tried::give_back)));
        });
        // It fails only where the relay stops.
        let _ = running.await;
        self.known.borrow().clone()
    }
}

/// Tells `relay` of what is known: whether there are servers, what is wrong with them, and whether this host's outside
/// addresses are known.
pub(super) async fn tell(
    watcher: Arc<Watcher>,
    mut announce: watch::Receiver<Arc<[Announce]>>,
    mut outside: watch::Receiver<Arc<[IpAddr]>>,
    relay: watch::Sender<api::Relay>,
) {
    let mut options = watcher.options.clone();
    let mut known = watcher.known.subscribe();
    loop {
        let ice = !options.borrow_and_update().servers.is_empty();
        let announced = !announce.borrow_and_update().is_empty();
        let announced = !outside.borrow_and_update().is_empty() || announced;
        let ice_trouble = trouble(&known.borrow_and_update());
        relay.send_if_modified(|relay| {
            let fresh = api::Relay { ice, announced, ice_trouble, ..relay.clone() };
            let changed = fresh != *relay;
            *relay = fresh;
            changed
        });
        let ended = tokio::select! {
            changed = options.changed() => changed.is_err(),
            changed = announce.changed() => changed.is_err(),
            changed = outside.changed() => changed.is_err(),
            changed = known.changed() => changed.is_err(),
        };
        if ended {
            return;
        }
    }
}

/// Tries every TURN URL. What the servers gave is still to be given back.
async fn check_all(options: &IceOptions) -> (Arc<[api::IceCheck]>, Vec<Tried>) {
    let turns = options.servers.iter().flat_map(|entry| {
        let turns = entry.urls.iter().filter(|url| url.scheme.is_turn());
        turns.map(|url| (url, entry.credentials.as_ref()))
    });
    let checks = turns.map(|(url, credentials)| async move {
        let tried = check::try_turn(url, credentials).await;
        (api::IceCheck { url: url.to_string(), trouble: tried.trouble.clone() }, tried)
    });
    let (checks, tried): (Vec<_>, Vec<_>) = join_all(checks).await.into_iter().unzip();
    (checks.into(), tried)
}

/// What is wrong, if it is, for the page.
fn trouble(checks: &[api::IceCheck]) -> Option<String> {
    let mut troubles = checks.iter().filter_map(|check| check.trouble.as_deref());
    let first = troubles.next()?;
    match troubles.count() {
        0 => Some(first.to_owned()),
        1 => Some(format!("{first} Another one fails too; the relay’s log says how.")),
        more => Some(format!("{first} {more} others fail too; the relay’s log says how.")),
    }
}

/// Says what is new since `told`, and returns what is wrong.
fn tell_log(checks: &[api::IceCheck], told: Option<&[String]>) -> Vec<String> {
    let troubles: Vec<String> = checks.iter().filter_map(|check| check.trouble.clone()).collect();
    let known = told.unwrap_or_default();
    troubles.iter().filter(|trouble| !known.contains(trouble)).for_each(|trouble| warn!("{trouble}"));
    if troubles.is_empty() && !checks.is_empty() && told.is_none_or(|told| !told.is_empty()) {
        let urls: Vec<&str> = checks.iter().map(|check| check.url.as_str()).collect();
        info!("The relay’s credentials are taken by {}", urls.join(", "));
    }
    troubles
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;
    use tokio::time::timeout;

    use super::*;
    use crate::ice::check::tests::{fixed, serve};
    use crate::options::IceEntry;

    fn options(urls: &[String]) -> Arc<IceOptions> {
        let urls = urls.iter().map(|url| url.parse().unwrap()).collect();
        Arc::new(IceOptions {
            servers: vec![IceEntry { urls, credentials: Some(fixed("hush")) }],
            relay_only: false,
        })
    }

    async fn unused_port() -> u16 {
        UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    }

    async fn later(seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn servers_are_tried_once_in_ten_seconds_unless_the_configuration_changes() {
        let port = unused_port().await;
        let servers = options(&[format!("turn:127.0.0.1:{port}")]);
        let (configure, configured) = watch::channel(servers.clone());
        let watcher = Watcher::new(configured);
        let is_well = async || watcher.check_lately().await[0].trouble.is_none();
        assert!(!is_well().await);
        serve(UdpSocket::bind(("127.0.0.1", port)).await.unwrap());
        assert!(!is_well().await, "what was found a moment ago is told");
        later(11).await;
        assert!(is_well().await);
        configure.send_replace(options(&[format!("turn:127.0.0.1:{}", unused_port().await)]));
        assert!(!is_well().await);
    }

    #[tokio::test]
    async fn a_try_that_nobody_waits_for_any_more_goes_on_and_serves_the_next() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let url = format!("turn:{}", socket.local_addr().unwrap());
        let (_configure, configured) = watch::channel(options(&[url]));
        let watcher = Watcher::new(configured);
        for _ in 0..5 {
            tokio::select! {
                biased;
                found = watcher.check_lately() => panic!("nobody has answered, and yet {found:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        let (_, tries_from) = socket.recv_from(&mut [0; 2048]).await.unwrap();
        while let Ok((_, from)) = socket.try_recv_from(&mut [0; 2048]) {
            assert_eq!(from, tries_from, "another try has begun");
        }
        serve(socket);
        assert_eq!(watcher.check_lately().await[0].trouble, None);
    }

    #[tokio::test]
    async fn the_page_is_told_of_servers_and_their_troubles() {
        let (one, other) = (unused_port().await, unused_port().await);
        let urls = [format!("turn:127.0.0.1:{one}"), format!("turn:127.0.0.1:{other}")];
        let (configure, configured) = watch::channel(options(&urls));
        let (_announce, announced) = watch::channel(Arc::from([]));
        let (found, outside) = watch::channel(Arc::from([]));
        let (relay, mut told) = watch::channel(api::Relay { instance: "1".into(), ..api::Relay::default() });
        let watcher = Arc::new(Watcher::new(configured));
        tokio::spawn(watcher.clone().keep());
        tokio::spawn(tell(watcher, announced, outside, relay));
        let mut wait = async |what: &dyn Fn(&api::Relay) -> bool| {
            let told = timeout(Duration::from_secs(10), told.wait_for(|relay| what(relay))).await;
            told.expect("the page is never told").unwrap().clone()
        };
        let relay = wait(&|relay| relay.ice_trouble.is_some()).await;
        let said = relay.ice_trouble.unwrap();
        assert!(relay.ice && !relay.announced && relay.instance == "1");
        assert!(
            said.contains(&urls[0]) && said.ends_with("Another one fails too; the relay’s log says how."),
            "{said}"
        );
        found.send_replace(Arc::from(["203.0.113.7".parse::<IpAddr>().unwrap()]));
        wait(&|relay| relay.announced).await;
        configure.send_replace(Arc::default());
        wait(&|relay| !relay.ice && relay.ice_trouble.is_none()).await;
    }
}
