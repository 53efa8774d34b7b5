//! A WHIP client at RTP level: it says what it is told, well or badly.

mod speech;
mod talker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::setpriority_process;

pub use speech::{Said, Says, Speech, SpeechOptions};
pub use talker::Talker;

use crate::{Answer, Http, Onset, wait_for};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// As `nice` counts: a talker has a computer of its own.
const URGENT: i32 = -15;

/// A talker on a thread of its own; it leaves politely on drop.
#[derive(Debug)]
pub struct WhipClient {
    talker: Arc<Mutex<Talker>>,
    onsets: Arc<Mutex<Vec<Onset>>>,
    latest_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
    polite: bool,
}

impl WhipClient {
    /// Connects to talk to `source`, and speaks from then on.
    ///
    /// # Errors
    /// When the relay refuses, or there is no connection within ten seconds.
    pub fn talk(http: &Http, source: &str, options: SpeechOptions) -> Result<Self> {
        Self::talk_with(http, source, None, options)
    }

    /// As [`Self::talk`], naming the WHEP session `with` that hears all but this talker.
    ///
    /// # Errors
    /// As [`Self::talk`].
    pub fn talk_with(http: &Http, source: &str, with: Option<&str>, options: SpeechOptions) -> Result<Self> {
        let talker = Talker::join(http, source, with, options.stereo)?;
        let speech = Speech::new(options)?;
        let onsets = Arc::clone(speech.onsets());
        let talker = Arc::new(Mutex::new(talker));
        let stop = Arc::new(AtomicBool::new(false));
        let latest_us = Arc::new(AtomicU64::new(0));
        let (shared, stopped, late) = (Arc::clone(&talker), Arc::clone(&stop), Arc::clone(&latest_us));
        let thread = thread::Builder::new()
            .name("whip".into())
            .spawn(move || run(&shared, &stopped, &late, speech))
            .context("no thread")?;
        let client = Self { talker, onsets, latest_us, stop, thread: Some(thread), polite: true };
        wait_for("a connection", CONNECT_LIMIT, || Ok(lock(&client.talker).is_connected().then_some(())))?;
        Ok(client)
    }

    /// By which number the relay tells of it.
    pub fn id(&self) -> u32 {
        lock(&self.talker).id()
    }

    /// The session's URL.
    pub fn session(&self) -> String {
        lock(&self.talker).session().to_owned()
    }

    /// When each burst left, of those who speak in bursts.
    pub fn onsets(&self) -> Vec<Onset> {
        lock(&self.onsets).clone()
    }

    /// By how much its latest packet was late.
    pub fn latest(&self) -> Duration {
        Duration::from_micros(self.latest_us.load(Ordering::Relaxed))
    }

    /// Ends the session by `DELETE`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn leave(mut self) -> Result<Answer> {
        self.polite = false;
        self.halt();
        lock(&self.talker).leave()
    }

    /// Falls silent without a word, like a computer whose network was cut.
    pub fn vanish(mut self) {
        self.polite = false;
        self.halt();
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for WhipClient {
    fn drop(&mut self) {
        self.halt();
        if self.polite {
            let _ = lock(&self.talker).leave();
        }
    }
}

fn run(talker: &Mutex<Talker>, stop: &AtomicBool, latest_us: &AtomicU64, mut speech: Speech) -> Result<()> {
    let _ = setpriority_process(None, URGENT);
    let mut line = lock(talker).line()?;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_micros(100));
        let received = line.receive(wait)?;
        let mut talker = lock(talker);
        talker.handle(received.as_ref().map(|(packet, from)| (&packet[..], *from)))?;
        if Instant::now() < due {
            continue;
        }
        latest_us.fetch_max(due.elapsed().as_micros() as u64, Ordering::Relaxed);
        due += speech.length();
        if talker.is_connected()
            && let Some(packet) = speech.go_on()?
        {
            talker.say(packet)?;
        }
    }
    Ok(())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
