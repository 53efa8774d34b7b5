//! A WHEP client at RTP level: it sees every packet's sequence number and timestamp.

mod listener;
mod offer;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use str0m::net::Protocol;

pub use listener::Listener;
pub use offer::{opus_offer, talk_offer};
pub use stream::{Packet, Stream};

use crate::{Answer, Http, wait_for, wait_until};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const TONE_LOOK: Duration = Duration::from_millis(200);
const RECEIVE_WAIT: Duration = Duration::from_millis(5);

/// A listener on a thread of its own; it leaves politely on drop.
#[derive(Debug)]
pub struct WhepClient {
    listener: Arc<Mutex<Listener>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
    polite: bool,
}

impl WhepClient {
    /// Listens to `source` and waits for its first packet.
    ///
    /// # Errors
    /// When the relay refuses, or no packet comes within ten seconds.
    pub fn listen(http: &Http, source: &str) -> Result<Self> {
        let client = Self::join(http, source)?;
        wait_for("the first packet", CONNECT_LIMIT, || {
            Ok((!client.lock().stream().is_empty()).then_some(()))
        })?;
        Ok(client)
    }

    /// Listens to `source` and waits until connected, with or without sound.
    ///
    /// # Errors
    /// When the relay refuses, or there is no connection within ten seconds.
    pub fn join(http: &Http, source: &str) -> Result<Self> {
        Self::join_by(Protocol::Udp, http, source)
    }

    /// As [`Self::join`], by ICE over TCP.
    ///
    /// # Errors
    /// As [`Self::join`], or when the answer has no TCP candidate.
    pub fn join_by_tcp(http: &Http, source: &str) -> Result<Self> {
        Self::join_by(Protocol::Tcp, http, source)
    }

    /// Hears for `length`, from now on.
    ///
    /// # Errors
    /// When the session ended meanwhile.
    pub fn hear(&self, length: Duration) -> Result<Stream> {
        self.lock().take_stream();
        let end = Instant::now() + length;
        thread::sleep(end.saturating_duration_since(Instant::now()));
        self.take()
    }

    /// Hears for `length` more, and returns all since the last look.
    ///
    /// # Errors
    /// When the session ended meanwhile.
    pub fn hear_on(&self, length: Duration) -> Result<Stream> {
        thread::sleep(length);
        self.take()
    }

    /// Waits until the test tone is heard in both ears, at most `limit`, and returns how long that took.
    ///
    /// # Errors
    /// When it is not.
    pub fn wait_tone(&self, limit: Duration) -> Result<Duration> {
        let mut last = String::new();
        wait_until("the tone", limit, || {
            let stream = self.hear(TONE_LOOK)?;
            // A decoder that joins takes a few packets until it is as loud as what was sent.
            let heard = stream.decode()?.part(TONE_LOOK.as_secs_f64() / 2.0, TONE_LOOK.as_secs_f64());
            let (left, right) = (heard.rms(0), heard.rms(1));
            last = format!("{} packets, left {left:.3}, right {right:.3}", stream.packets().len());
            Ok(left.min(right) > 0.2)
        })
        .with_context(|| format!("at last came {last}"))
    }

    /// What was heard since the last look.
    ///
    /// # Errors
    /// When the session has ended.
    pub fn take(&self) -> Result<Stream> {
        let running = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        ensure!(running && self.lock().is_alive(), "the session has ended");
        Ok(self.lock().take_stream())
    }

    /// Restarts ICE by `PATCH`, and returns the relay's answer.
    ///
    /// # Errors
    /// When the relay refuses or its answer cannot be used.
    pub fn restart_ice(&self) -> Result<Answer> {
        self.lock().restart_ice()
    }

    /// Says by TCP that a frame follows that is longer than any.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn lie(&self) -> Result<()> {
        self.lock().lie()
    }

    /// The session's URL.
    pub fn session(&self) -> String {
        self.lock().session().to_owned()
    }

    /// Ends the session by `DELETE`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn leave(mut self) -> Result<Answer> {
        self.polite = false;
        self.halt();
        let listener = self.lock();
        listener.leave().context("Failed to leave")
    }

    /// Falls silent without a word, like a computer whose network was cut.
    pub fn vanish(mut self) {
        self.polite = false;
        self.halt();
    }

    fn join_by(protocol: Protocol, http: &Http, source: &str) -> Result<Self> {
        let listener = Listener::join_by(protocol, http, source)?;
        let mut line = listener.line()?;
        let listener = Arc::new(Mutex::new(listener));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&listener), Arc::clone(&stop));
        let thread = thread::Builder::new().name("whep".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let received = line.receive(RECEIVE_WAIT)?;
                let packet = received.as_ref().map(|(packet, from)| (&packet[..], *from));
                shared.lock().unwrap_or_else(PoisonError::into_inner).handle(packet)?;
            }
            Ok(())
        })?;
        let client = Self { listener, stop, thread: Some(thread), polite: true };
        wait_for("a connection", CONNECT_LIMIT, || Ok(client.lock().is_connected().then_some(())))?;
        Ok(client)
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WhepClient {
    fn drop(&mut self) {
        self.halt();
        if self.polite {
            let _ = self.lock().leave();
        }
    }
}
