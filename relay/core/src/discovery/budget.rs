use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// News that one address may tell at once: a container with many streams tells of all of them when it starts.
const BURST_OF_SENDER: f64 = 32.0;

/// News a second that it may tell for long.
const RATE_OF_SENDER: f64 = 4.0;

/// The same of all together.
const BURST: f64 = 512.0;
const RATE: f64 = 64.0;

/// Addresses that are remembered; those that spent nothing lately need not be.
const MAX_SENDERS: usize = 512;

/// How much news may be told: each costs every page that is open a message, and may open a port.
#[derive(Debug)]
pub(crate) struct Budget {
    all: Bucket,
    senders: HashMap<IpAddr, Bucket>,
}

/// So many tokens, as of a time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Option<Instant>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { all: Bucket { tokens: BURST, at: None }, senders: HashMap::new() }
    }

    /// Whether `sender` may tell something new.
    pub(crate) fn spend(&mut self, sender: IpAddr, now: Instant) -> bool {
        self.all.fill(RATE, BURST, now);
        if self.all.tokens < 1.0 {
            return false;
        }
        if self.senders.len() >= MAX_SENDERS {
            self.senders.retain(|_, bucket| {
                bucket.fill(RATE_OF_SENDER, BURST_OF_SENDER, now);
                bucket.tokens < BURST_OF_SENDER
            });
        }
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(&sender) {
            return false;
        }
        let own = self.senders.entry(sender).or_insert(Bucket { tokens: BURST_OF_SENDER, at: None });
        own.fill(RATE_OF_SENDER, BURST_OF_SENDER, now);
        if own.tokens < 1.0 {
            return false;
        }
        own.tokens -= 1.0;
        self.all.tokens -= 1.0;
        true
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    fn fill(&mut self, rate: f64, most: f64, now: Instant) {
        let passed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.tokens = (self.tokens + passed * rate).min(most);
        self.at = Some(now);
    }
}
