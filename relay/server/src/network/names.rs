//! Names that the user announces, resolved whenever a session starts.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// For how long a session waits for a name of which nothing is known.
const PATIENCE: Duration = Duration::from_secs(1);

/// For how long it waits for news where an answer is known.
const NEWS: Duration = Duration::from_millis(200);

/// For how long an answer needs no news.
const FRESH: Duration = Duration::from_secs(30);

/// For how long an answer serves while the resolver fails.
const MEMORY: Duration = Duration::from_secs(300);

type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// What is known of each name. A name is looked up by one at a time, however many sessions ask for it.
#[derive(Clone)]
pub(crate) struct Names {
    known: Arc<Mutex<HashMap<String, Name>>>,
    lookup: Lookup,
}

#[derive(Default)]
struct Name {
    good: Option<(Vec<IpAddr>, Instant)>,
    /// Closed when the lookup that runs has ended.
    running: Option<watch::Receiver<()>>,
    /// Whether it was told that the name is left out.
    left_out: bool,
}

impl Names {
    /// The addresses that a name stands for; none where it cannot be resolved in time, and could not lately. What is known
    /// is renewed behind.
    pub(crate) async fn resolve(&self, host: &str) -> Vec<IpAddr> {
        if let Ok(ip) = host.parse() {
            return vec![ip];
        }
        let mut running = self.look_up(host);
        let patience = match self.known_of(host) {
            Some((found, age)) if age < FRESH => return found,
            Some(_) => NEWS,
            None => PATIENCE,
        };
        let slow = tokio::time::timeout(patience, running.changed()).await.is_err();
        if let Some((found, _)) = self.known_of(host) {
            return found;
        }
        let mut known = self.known();
        let name = known.entry(host.to_owned()).or_default();
        if !std::mem::replace(&mut name.left_out, true) {
            let why = if slow { "takes too long to resolve" } else { "cannot be resolved" };
            warn!("{host} is announced but {why}; it is left out until it can be");
        }
        Vec::new()
    }

    /// What a name stood for, and how long ago.
    fn known_of(&self, host: &str) -> Option<(Vec<IpAddr>, Duration)> {
        let known = self.known();
        let (found, at) = known.get(host)?.good.as_ref()?;
        let age = at.elapsed();
        (age < MEMORY).then(|| (found.clone(), age))
    }

    /// Joins the lookup that runs, or begins one.
    fn look_up(&self, host: &str) -> watch::Receiver<()> {
        let mut known = self.known();
        let name = known.entry(host.to_owned()).or_default();
        if let Some(running) = &name.running {
            return running.clone();
        }
        let (done, running) = watch::channel(());
        name.running = Some(running.clone());
        let (names, host) = (self.clone(), host.to_owned());
        tokio::spawn(async move {
            let found = (names.lookup)(host.clone()).await;
            names.note(&host, found);
            drop(done);
        });
        running
    }

    fn note(&self, host: &str, found: io::Result<Vec<IpAddr>>) {
        let mut known = self.known();
        let name = known.entry(host.to_owned()).or_default();
        name.running = None;
        match found {
            Ok(mut found) => {
                found.retain(|ip| !is_useless(*ip));
                if !found.is_empty() {
                    if std::mem::take(&mut name.left_out) {
                        info!("{host} can be resolved again");
                    }
                    name.good = Some((found, Instant::now()));
                }
            }
            Err(error) => debug!(host, %error, "An announced name cannot be resolved"),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Names {
    fn default() -> Self {
        let lookup = |host: String| {
            async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) }
                .boxed()
        };
        Self { known: Arc::default(), lookup: Arc::new(lookup) }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known().keys()).finish()
    }
}

/// What a broken resolver answers, and what browsers cannot use.
fn is_useless(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_multicast() || matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers as told: in so many seconds, or not at all.
    fn names(
        answer: impl Fn(usize) -> (u64, io::Result<Vec<IpAddr>>) + Send + Sync + 'static,
    ) -> (Names, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let lookup = move |_| {
            let (seconds, answer) = answer(count.fetch_add(1, Ordering::Relaxed));
            async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                answer
            }
            .boxed()
        };
        (Names { known: Arc::default(), lookup: Arc::new(lookup) }, asked)
    }

    fn found() -> io::Result<Vec<IpAddr>> {
        Ok(vec!["0.0.0.0".parse().unwrap(), "192.0.2.7".parse().unwrap()])
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_serves_for_five_minutes_while_the_resolver_fails() {
        let (names, _) =
            names(|n| if n == 0 { (0, found()) } else { (0, Err(io::ErrorKind::NotFound.into())) });
        let good: Vec<IpAddr> = vec!["192.0.2.7".parse().unwrap()];
        assert_eq!(names.resolve("a.example").await, good);
        tokio::time::advance(Duration::from_secs(299)).await;
        assert_eq!(names.resolve("a.example").await, good);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(names.resolve("a.example").await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_resolver_holds_a_session_for_one_second_and_is_asked_once() {
        let (names, asked) = names(|_| (30, found()));
        let began = Instant::now();
        let both = tokio::join!(names.resolve("a.example"), names.resolve("a.example"));
        assert!(both.0.is_empty() && both.1.is_empty());
        assert_eq!(began.elapsed(), PATIENCE);
        assert!(names.resolve("a.example").await.is_empty());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(names.resolve("a.example").await.len(), 1, "what came late serves the next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_answer_makes_no_session_wait_for_a_slow_resolver() {
        let changed = || Ok(vec!["192.0.2.8".parse().unwrap()]);
        let (names, asked) = names(move |n| if n == 0 { (0, found()) } else { (10, changed()) });
        let timed = async || {
            let began = Instant::now();
            let found = names.resolve("a.example").await;
            (found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), began.elapsed())
        };
        assert_eq!(timed().await, ("192.0.2.7".to_owned(), Duration::ZERO));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(timed().await, ("192.0.2.7".to_owned(), Duration::ZERO));
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2, "it is looked up behind");
        assert_eq!(timed().await, ("192.0.2.8".to_owned(), Duration::ZERO));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(timed().await, ("192.0.2.8".to_owned(), Duration::from_millis(200)));
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up() {
        let (names, asked) = names(|_| (0, found()));
        assert_eq!(names.resolve("2001:db8::1").await, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }
}
