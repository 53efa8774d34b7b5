//! The way back: a talker's packet → RTP to the container, and mouth → microphone in the container.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use soundport_tests::{
    AudioServer, Browser, BrowserOptions, Callee, Microphone, Recorder, Recording, Relay, RelayOptions, Says,
    SpeechOptions, WhipClient,
};

use crate::quantile;

/// A whole number of packets of 20 ms: every burst begins with its packet.
const EVERY: Duration = Duration::from_millis(480);
const SETTLE: Duration = Duration::from_secs(5);
const LISTEN: Duration = Duration::from_secs(25);
/// Above what an encoder smears before a sharp onset.
const LOUD: f32 = 0.2;
const RTP_HEADER_BYTES: usize = 12;

pub(crate) fn run() -> Result<()> {
    println!("talkback: from a talker's mouth to a container, ms");
    println!("{:>58} {:>7} {:>8} {:>8}", "", "bursts", "median", "95 %");
    through_the_relay()?;
    into_the_container()?;
    from_the_page()
}

/// From the packet that a burst begins with to the relay's RTP packet that it is heard in; in it are the 6.5 ms by which
/// Opus looks ahead.
fn through_the_relay() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("soundport.toml");
    let target = socket.local_addr()?;
    std::fs::write(
        &config,
        format!("[[source]]\nid = \"bench\"\nfrom = \"127.0.0.1\"\ntalk = true\ntalk_to = \"{target}\"\n"),
    )?;
    let arguments = vec!["--config".into(), config.display().to_string()];
    let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
    let talker = WhipClient::talk(relay.http(), "bench", SpeechOptions::says(Says::Onsets(EVERY)))?;
    let began = Instant::now();
    let mut arrivals = Vec::new();
    let mut last_loud: Option<Instant> = None;
    let mut buffer = [0; 2048];
    while began.elapsed() < SETTLE + LISTEN {
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        let samples = buffer.get(RTP_HEADER_BYTES..length).unwrap_or_default().chunks_exact(2);
        let is_loud =
            |bytes: &[u8]| f32::from(i16::from_be_bytes([bytes[0], bytes[1]])).abs() / 32_768.0 > LOUD;
        if samples.into_iter().any(is_loud) {
            let is_first = last_loud.is_none_or(|last| last.elapsed() > EVERY / 3);
            if is_first && began.elapsed() > SETTLE {
                arrivals.push(SystemTime::now());
            }
            last_loud = Some(Instant::now());
        }
    }
    let sent: Vec<SystemTime> = talker.onsets().iter().map(|onset| onset.sent).collect();
    row("packet in → RTP out of the relay (budget 40)", &delays(&sent, &arrivals))
}

/// The same to a sample in `parec`, through a stock `PulseAudio`.
fn into_the_container() -> Result<()> {
    let callee = Callee::pulse_audio()?;
    let ear = Ear::at(callee.server()?.parec()?)?;
    let talker = callee.talk(SpeechOptions::says(Says::Onsets(EVERY)))?;
    thread::sleep(SETTLE);
    let arrivals = ear.hear()?;
    let sent: Vec<SystemTime> = talker.onsets().iter().map(|onset| onset.sent).collect();
    row("packet in → parec in the container", &delays(&sent, &arrivals))
}

/// From a burst in the microphone of the person's own computer to the same in the container; both are heard by `parec`.
fn from_the_page() -> Result<()> {
    let callee = Callee::pulse_audio()?;
    let mouth = AudioServer::pulse_audio(None)?;
    mouth.silent_microphone()?;
    let folder = tempfile::tempdir()?;
    let wav = folder.path().join("bursts.wav");
    bursts().write_wav(&wav)?;
    let _playing = mouth.play(&wav, Some("micsink"))?;
    for (name, raw) in [("raw", true), ("voice", false)] {
        let browser = Browser::with(&BrowserOptions {
            microphone: Microphone::Granted,
            server: Some(&mouth),
            ..BrowserOptions::default()
        })?;
        let (said, heard) = (Ear::at(mouth.parec()?)?, Ear::at(callee.server()?.parec()?)?);
        browser.open(&callee.relay().http_url())?;
        if raw {
            browser.act(callee.id(), "talk-raw")?;
        }
        browser.act(callee.id(), "talk")?;
        browser.wait_talk(callee.id(), "live")?;
        thread::sleep(SETTLE);
        let arrivals = heard.hear()?;
        row(
            &format!("mouth → Chromium ({name}) → parec in the container"),
            &delays(&said.so_far()?, &arrivals),
        )?;
        browser.close()?;
    }
    Ok(())
}

/// A recorder, and when each of its blocks came.
struct Ear {
    recorder: Arc<Recorder>,
    blocks: Arc<Mutex<Vec<(u64, SystemTime)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    fn at(recorder: Recorder) -> Result<Self> {
        recorder.wait_pace()?;
        let recorder = Arc::new(recorder);
        let blocks = Arc::new(Mutex::new(vec![(recorder.frames(), SystemTime::now())]));
        let stop = Arc::new(AtomicBool::new(false));
        let (of, into, stopped) = (Arc::clone(&recorder), Arc::clone(&blocks), Arc::clone(&stop));
        let thread = thread::Builder::new().name("ear".into()).spawn(move || {
            let mut last = 0;
            while !stopped.load(Ordering::Relaxed) {
                let frames = of.frames();
                if frames > last {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push((frames, SystemTime::now()));
                    last = frames;
                }
                thread::sleep(Duration::from_micros(500));
            }
        })?;
        Ok(Self { recorder, blocks, stop, thread: Some(thread) })
    }

    /// When each burst was heard in the time to come.
    fn hear(&self) -> Result<Vec<SystemTime>> {
        let first = self.recorder.frames();
        let heard = self.recorder.since(first, LISTEN)?;
        Ok(self.times(first, &heard))
    }

    /// When each burst was heard since the beginning.
    fn so_far(&self) -> Result<Vec<SystemTime>> {
        let first = self.blocks.lock().unwrap_or_else(PoisonError::into_inner)[0].0;
        let length = Duration::from_secs_f64((self.recorder.frames() - first) as f64 / 48_000.0);
        Ok(self.times(first, &self.recorder.since(first, length)?))
    }

    fn times(&self, first: u64, heard: &Recording) -> Vec<SystemTime> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = (EVERY.as_secs_f64() * 16_000.0) as usize;
        let mut last_loud = None;
        let mut times = Vec::new();
        for (index, frame) in heard.frames.iter().enumerate() {
            if frame[0].abs() > LOUD {
                if last_loud.is_some_and(|last| index - last > pause) {
                    let at = blocks.partition_point(|(frames, _)| *frames <= first + index as u64);
                    times.extend(blocks.get(at).map(|(_, time)| *time));
                }
                last_loud = Some(index);
            }
        }
        times
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sharp bursts of 1 kHz for four minutes, as a talker says them.
fn bursts() -> Recording {
    let every = (EVERY.as_secs_f64() * 48_000.0) as usize;
    let burst = every / 8;
    let sample = |index: usize| {
        let wave = (std::f32::consts::TAU * (index % 48) as f32 / 48.0).cos();
        if index % every < burst { 0.7 * wave } else { 0.0 }
    };
    Recording { rate: 48_000, frames: (0..48_000 * 240).map(|index| [sample(index); 2]).collect() }
}

/// For each burst that was heard, the milliseconds since it was said.
fn delays(said: &[SystemTime], heard: &[SystemTime]) -> Vec<f64> {
    let latest_before = |at: &SystemTime| {
        said.iter().filter_map(|said| at.duration_since(*said).ok()).min().filter(|delay| *delay < EVERY)
    };
    heard.iter().filter_map(latest_before).map(|delay| delay.as_secs_f64() * 1000.0).collect()
}

fn row(what: &str, delays: &[f64]) -> Result<()> {
    ensure!(delays.len() > 10, "{what}: only {} bursts were heard", delays.len());
    println!("{what:>58} {:>7} {:>8.1} {:>8.1}", delays.len(), quantile(delays, 0.5), quantile(delays, 0.95));
    Ok(())
}
