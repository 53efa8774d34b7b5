use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rustix::process::setpriority_process;

use crate::{Random, Tone};

/// Quiet, but not digital silence: a jitter buffer treats real silence otherwise.
const BED: f32 = 0.003;
/// As `nice` counts: the least is the most urgent.
const URGENT: i32 = -15;
const LOUD: f32 = 0.7;
const ONSET_HZ: f64 = 1000.0;
const ONSET_SECONDS: f64 = 0.05;

/// A sender of RTP L16 in this process, with every fault a network adds on the way. It sends until dropped.
#[derive(Debug)]
pub struct ToneSender {
    stop: Arc<AtomicBool>,
    onsets: Arc<Mutex<Vec<Onset>>>,
    latest_us: Arc<AtomicU64>,
    local: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// What is sent, and what happens to it on the way.
#[derive(Debug, Clone)]
pub struct ToneSenderOptions {
    /// Frames a packet.
    pub packet_frames: u32,
    /// Frames a second, in hertz.
    pub rate: u32,
    /// 2, or 1: then the left tone alone.
    pub channels: u8,
    /// RTP payload type, up to 127.
    pub payload_type: u8,
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a packet comes after its follower.
    pub reorder: f64,
    /// Packets that leave together.
    pub burst: u32,
    /// RTP's stream id; a new sender is a new stream.
    pub ssrc: u32,
    /// The first sequence number: 65 500 soon wraps.
    pub first_sequence: u16,
    /// The address packets come from.
    pub from: IpAddr,
    /// What is to be heard.
    pub signal: Signal,
}

/// What a [`ToneSender`] plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// 440 Hz left, 880 Hz right.
    Tones,
    /// Near silence, and a sharp 1 kHz burst in both ears that often, always at the start of a packet.
    Onsets(Duration),
}

/// The start of a burst.
#[derive(Debug, Clone, Copy)]
pub struct Onset {
    /// When its packet was given to the system.
    pub sent: SystemTime,
}

impl Default for ToneSenderOptions {
    fn default() -> Self {
        Self {
            packet_frames: 317,
            rate: 48_000,
            channels: 2,
            payload_type: 127,
            loss: 0.0,
            reorder: 0.0,
            burst: 1,
            ssrc: 0x5050_0001,
            first_sequence: 65_500,
            from: Ipv4Addr::LOCALHOST.into(),
            signal: Signal::Tones,
        }
    }
}

impl ToneSender {
    /// Starts to send to `target`.
    ///
    /// # Errors
    /// When there is no socket to send from.
    pub fn start(target: SocketAddr, options: ToneSenderOptions) -> Result<Self> {
        let socket = UdpSocket::bind((options.from, 0)).context("Failed to open a socket for a sender")?;
        let local = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let onsets = Arc::new(Mutex::new(Vec::new()));
        let latest_us = Arc::new(AtomicU64::new(0));
        let mut wire = Wire {
            socket,
            target,
            random: Random::new(u64::from(options.ssrc)),
            held: None,
            frame: 0,
            sequence: options.first_sequence,
            last_onset: None,
            onsets: Arc::clone(&onsets),
            latest_us: Arc::clone(&latest_us),
            options,
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("tone".into()).spawn(move || wire.run(&stopped))?;
        Ok(Self { stop, onsets, latest_us, local, thread: Some(thread) })
    }

    /// Where its packets come from.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How late a packet was at most because this machine was too busy to send it in time.
    pub fn latest(&self) -> Duration {
        Duration::from_micros(self.latest_us.load(Ordering::Relaxed))
    }

    /// The bursts sent so far, with [`Signal::Onsets`].
    pub fn onsets(&self) -> Vec<Onset> {
        self.onsets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ToneSender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Wire {
    socket: UdpSocket,
    target: SocketAddr,
    options: ToneSenderOptions,
    random: Random,
    held: Option<Vec<u8>>,
    frame: u64,
    sequence: u16,
    last_onset: Option<u64>,
    onsets: Arc<Mutex<Vec<Onset>>>,
    latest_us: Arc<AtomicU64>,
}

impl Wire {
    fn run(&mut self, stop: &AtomicBool) {
        // A container has processors of its own: its sound does not stall where this machine is busy. Only root may ask.
        let _ = setpriority_process(None, URGENT);
        let start = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..self.options.burst {
                self.send_next();
            }
            let due = Duration::from_secs_f64(self.frame as f64 / f64::from(self.options.rate));
            thread::sleep((start + due).saturating_duration_since(Instant::now()));
            let late = Instant::now().saturating_duration_since(start + due);
            self.latest_us.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
        }
    }

    fn send_next(&mut self) {
        let onset = self.onset_starts();
        let packet = self.packet();
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
            let sent = SystemTime::now();
            self.onsets.lock().unwrap_or_else(PoisonError::into_inner).push(Onset { sent });
        }
        // A relay that is down refuses packets: senders do not mind.
        let _ = self.socket.send_to(&packet, self.target);
        if let Some(late) = self.held.take() {
            let _ = self.socket.send_to(&late, self.target);
        }
    }

    /// ```text
    /// | 0x80 | payload type | sequence (16) | timestamp (32) | SSRC (32) | samples (16 each, big endian) …
    /// ```
    fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0x80, self.options.payload_type & 0x7f];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&(self.frame as u32).to_be_bytes());
        packet.extend_from_slice(&self.options.ssrc.to_be_bytes());
        for index in self.frame..self.frame + u64::from(self.options.packet_frames) {
            for sample in self.samples(index).into_iter().take(usize::from(self.options.channels)) {
                packet.extend_from_slice(&((sample * 32_767.0) as i16).to_be_bytes());
            }
        }
        packet
    }

    fn samples(&self, index: u64) -> [f32; 2] {
        match self.options.signal {
            Signal::Tones => Tone::frame(index, self.options.rate),
            Signal::Onsets(_) => {
                let onset = self.last_onset.unwrap_or(index + 1);
                let since = (index as f64 - onset as f64) / f64::from(self.options.rate);
                let level = if (0.0..ONSET_SECONDS).contains(&since) { LOUD } else { BED };
                [level * (std::f64::consts::TAU * ONSET_HZ * since).cos() as f32; 2]
            }
        }
    }

    /// Whether a burst starts with the packet to come.
    fn onset_starts(&mut self) -> bool {
        let Signal::Onsets(every) = self.options.signal else { return false };
        let period = (every.as_secs_f64() * f64::from(self.options.rate)) as u64;
        let starts = self.frame >= self.last_onset.unwrap_or(0) + period;
        if starts {
            self.last_onset = Some(self.frame);
        }
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(options: ToneSenderOptions, count: usize) -> Vec<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _sender = ToneSender::start(socket.local_addr().unwrap(), options).unwrap();
        let mut buffer = [0; 4096];
        (0..count)
            .map(|_| {
                let length = socket.recv(&mut buffer).unwrap();
                buffer[..length].to_vec()
            })
            .collect()
    }

    fn sequences(packets: &[Vec<u8>]) -> Vec<u16> {
        packets.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect()
    }

    #[test]
    fn packets_follow_each_other_over_the_wrap() {
        let packets = receive(ToneSenderOptions { first_sequence: 65_534, ..Default::default() }, 4);
        assert_eq!(sequences(&packets), [65_534, 65_535, 0, 1]);
        assert_eq!(packets[0].len(), 12 + 317 * 4);
        assert_eq!(packets[2][4..8], 634_u32.to_be_bytes());
    }

    #[test]
    fn faults_lose_and_swap_packets() {
        let options = ToneSenderOptions { loss: 0.2, reorder: 0.2, burst: 20, ..Default::default() };
        let sequences = sequences(&receive(options, 100));
        let steps: Vec<i16> = sequences.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i16).collect();
        assert!(steps.iter().any(|step| *step < 0), "none swapped: {steps:?}");
        assert!(sequences[99].wrapping_sub(sequences[0]) > 105, "none lost: {steps:?}");
    }

    #[test]
    fn an_onset_starts_with_a_packet() {
        let options =
            ToneSenderOptions { signal: Signal::Onsets(Duration::from_millis(100)), ..Default::default() };
        let loud = |frame: &[u8]| i16::from_be_bytes([frame[0], frame[1]]) > 20_000;
        let packets = receive(options, 60);
        let bursts: Vec<bool> = packets.iter().map(|packet| packet[12..].chunks(4).any(loud)).collect();
        let starts: Vec<usize> = (1..60).filter(|index| bursts[*index] && !bursts[index - 1]).collect();
        assert_eq!(starts.len(), 3, "{bursts:?}");
        assert!(starts.iter().all(|start| loud(&packets[*start][12..])));
    }
}
