use std::f64::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use rustix::process::setpriority_process;

use super::payload::Payload;
use super::{Onset, Orders, Pause, Signal, ToneSenderOptions, lock};
use crate::{Random, Tone};

/// Quiet, but not digital silence: a jitter buffer treats real silence otherwise.
const BED: f32 = 0.003;
const LOUD: f32 = 0.7;
const KILOHERTZ: f64 = 1000.0;
/// As `nice` counts: the least is the most urgent.
const URGENT: i32 = -15;
const PAUSE_TICK: Duration = Duration::from_millis(2);

/// What the sender's thread holds.
pub(super) struct Wire {
    socket: UdpSocket,
    target: SocketAddr,
    options: ToneSenderOptions,
    payload: Payload,
    orders: Arc<Mutex<Orders>>,
    obeyed: Orders,
    random: Random,
    held: Option<Vec<u8>>,
    /// Frames sent so far.
    frame: u64,
    /// Frames that pauses added to the timestamp.
    paused_frames: u64,
    /// The frame at which the signal began.
    began: u64,
    sequence: u16,
    last_onset: Option<u64>,
    onsets: Arc<Mutex<Vec<Onset>>>,
    latest_us: Arc<AtomicU64>,
}

impl Wire {
    pub(super) fn new(
        socket: UdpSocket,
        target: SocketAddr,
        options: ToneSenderOptions,
        orders: Arc<Mutex<Orders>>,
        onsets: Arc<Mutex<Vec<Onset>>>,
        latest_us: Arc<AtomicU64>,
    ) -> Result<Self> {
        let obeyed = *lock(&orders);
        Ok(Self {
            socket,
            target,
            payload: Payload::new(options.encoding, options.rate, options.channels)?,
            orders,
            obeyed,
            random: Random::new(u64::from(options.ssrc)),
            held: None,
            frame: 0,
            paused_frames: 0,
            began: 0,
            sequence: options.first_sequence,
            last_onset: None,
            onsets,
            latest_us,
            options,
        })
    }

    pub(super) fn run(&mut self, stop: &AtomicBool) {
        // A container has processors of its own: its sound does not stall where this machine is busy. Only root may ask.
        let _ = setpriority_process(None, URGENT);
        let mut start = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            start += self.obey(stop);
            for _ in 0..self.options.burst {
                self.send_next();
            }
            let due = Duration::from_secs_f64(self.frame as f64 / f64::from(self.options.rate));
            thread::sleep((start + due).saturating_duration_since(Instant::now()));
            let late = Instant::now().saturating_duration_since(start + due);
            self.latest_us.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
        }
    }

    /// Takes new orders, and sits out a pause; returns how long that was.
    fn obey(&mut self, stop: &AtomicBool) -> Duration {
        let paused = Instant::now();
        let mut orders = *lock(&self.orders);
        let is_pause = orders.is_paused;
        while orders.is_paused && !stop.load(Ordering::Relaxed) {
            thread::sleep(PAUSE_TICK);
            orders = *lock(&self.orders);
        }
        if orders.number != self.obeyed.number {
            (self.began, self.last_onset) = (self.frame, None);
        }
        self.obeyed = orders;
        if !is_pause {
            return Duration::ZERO;
        }
        let length = paused.elapsed();
        if self.options.pause == Pause::Counted {
            self.paused_frames += (length.as_secs_f64() * f64::from(self.options.rate)) as u64;
        }
        length
    }

    fn send_next(&mut self) {
        let onset = self.onset_starts();
        let Ok(packet) = self.packet() else { return };
        self.frame += u64::from(self.options.packet_frames);
        self.sequence = self.sequence.wrapping_add(1);
        if self.random.chance(self.options.loss) {
            return;
        }
        if self.held.is_none() && self.random.chance(self.options.reorder) {
            self.held = Some(packet);
            return;
        }
        if onset {
            lock(&self.onsets).push(Onset { sent: SystemTime::now() });
        }
        // A relay that is down refuses packets: senders do not mind.
        let _ = self.socket.send_to(&packet, self.target);
        if let Some(late) = self.held.take() {
            let _ = self.socket.send_to(&late, self.target);
        }
    }

    /// ```text
    /// | 0x80 | payload type | sequence (16) | timestamp (32) | SSRC (32) | samples …
    /// ```
    fn packet(&mut self) -> Result<Vec<u8>> {
        let mut packet = vec![0x80, self.options.payload_type & 0x7f];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&((self.frame + self.paused_frames) as u32).to_be_bytes());
        packet.extend_from_slice(&self.options.ssrc.to_be_bytes());
        let frames = self.frame..self.frame + u64::from(self.options.packet_frames);
        let channels = self.options.channels;
        let samples: Vec<f32> = frames
            .flat_map(|index| (0..channels).map(move |channel| (index, channel)))
            .map(|(index, channel)| self.sample(index, channel))
            .collect();
        packet.extend(self.payload.write(&samples)?);
        Ok(packet)
    }

    fn sample(&self, index: u64, channel: u8) -> f32 {
        let rate = f64::from(self.options.rate);
        match self.obeyed.signal {
            Signal::Tones => {
                Tone::frame(index, self.options.rate).get(usize::from(channel)).copied().unwrap_or(0.0)
            }
            Signal::Kilohertz(only) if only.is_none_or(|only| only == channel) => {
                let seconds = (index % u64::from(self.options.rate)) as f64 / rate;
                (Tone::AMPLITUDE * (TAU * KILOHERTZ * seconds).sin()) as f32
            }
            Signal::Kilohertz(_) | Signal::Zeros => 0.0,
            Signal::Onsets(_) => {
                let onset = self.last_onset.unwrap_or(index + 1);
                let since = (index as f64 - onset as f64) / rate;
                burst(since).unwrap_or_else(|| BED * kilohertz(since))
            }
            Signal::Pair => {
                let since = (index - self.began) as f64 / rate;
                burst(since).or_else(|| burst(since - Signal::PAIR.as_secs_f64())).unwrap_or(0.0)
            }
        }
    }

    /// Whether a burst starts with the packet to come.
    fn onset_starts(&mut self) -> bool {
        let Signal::Onsets(every) = self.obeyed.signal else { return false };
        let period = (every.as_secs_f64() * f64::from(self.options.rate)) as u64;
        let starts = self.frame >= self.last_onset.unwrap_or(self.began) + period;
        if starts {
            self.last_onset = Some(self.frame);
        }
        starts
    }
}

/// A sample of a burst that began so many seconds ago, while it lasts.
fn burst(since: f64) -> Option<f32> {
    (0.0..Signal::BURST.as_secs_f64()).contains(&since).then(|| LOUD * kilohertz(since))
}

/// A tone that is loudest at its first sample.
fn kilohertz(seconds: f64) -> f32 {
    (TAU * KILOHERTZ * seconds).cos() as f32
}
