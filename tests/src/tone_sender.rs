//! A sender in this process: every format, and every fault that networks and containers have.

mod options;
mod payload;
mod wire;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

pub use self::options::{Onset, Pause, Signal, ToneSenderOptions};
use self::wire::Wire;

/// A sender of RTP in this process, with every fault a network adds on the way. It sends until dropped.
#[derive(Debug)]
pub struct ToneSender {
    stop: Arc<AtomicBool>,
    orders: Arc<Mutex<Orders>>,
    onsets: Arc<Mutex<Vec<Onset>>>,
    latest_us: Arc<AtomicU64>,
    local: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// What the sender is to do from its next packet on.
#[derive(Debug, Clone, Copy)]
struct Orders {
    is_paused: bool,
    signal: Signal,
    /// Rises with every new signal, also with the same one.
    number: u64,
}

impl ToneSender {
    /// Starts to send to `target`.
    ///
    /// # Errors
    /// When there is no socket to send from, or the format cannot be written.
    pub fn start(target: SocketAddr, options: ToneSenderOptions) -> Result<Self> {
        let socket = UdpSocket::bind((options.from, 0)).context("Failed to open a socket for a sender")?;
        let local = socket.local_addr()?;
        let orders = Orders { is_paused: false, signal: options.signal, number: 0 };
        let orders = Arc::new(Mutex::new(orders));
        let stop = Arc::new(AtomicBool::new(false));
        let onsets = Arc::new(Mutex::new(Vec::new()));
        let latest_us = Arc::new(AtomicU64::new(0));
        let mut wire = Wire::new(
            socket,
            target,
            options,
            Arc::clone(&orders),
            Arc::clone(&onsets),
            Arc::clone(&latest_us),
        )?;
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("tone".into()).spawn(move || wire.run(&stopped))?;
        Ok(Self { stop, orders, onsets, latest_us, local, thread: Some(thread) })
    }

    /// Plays another signal from its next packet on.
    pub fn play(&self, signal: Signal) {
        let mut orders = lock(&self.orders);
        orders.signal = signal;
        orders.number += 1;
    }

    /// Sends no more packets.
    pub fn pause(&self) {
        lock(&self.orders).is_paused = true;
    }

    /// Goes on after [`Self::pause`], with `signal` from its first packet on.
    pub fn go_on(&self, signal: Signal) {
        self.play(signal);
        lock(&self.orders).is_paused = false;
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
        lock(&self.onsets).clone()
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_pause_leaves_sequence_and_timestamp_contiguous_or_counts_it() {
        for (pause, frames) in [(Pause::Contiguous, 317..318), (Pause::Counted, 4_800..480_000)] {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let options = ToneSenderOptions { pause, ..Default::default() };
            let sender = ToneSender::start(socket.local_addr().unwrap(), options).unwrap();
            let mut buffer = [0; 4096];
            socket.recv(&mut buffer).unwrap();
            sender.pause();
            let mut last = buffer;
            while socket.recv(&mut buffer).is_ok() {
                last = buffer;
            }
            sender.go_on(Signal::Zeros);
            socket.recv(&mut buffer).unwrap();
            let sequence = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
            let time = |packet: &[u8]| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
            assert_eq!(sequence(&buffer).wrapping_sub(sequence(&last)), 1);
            let step = time(&buffer).wrapping_sub(time(&last));
            assert!(frames.contains(&step), "{pause:?}: {step}");
            assert!(buffer[12..1280].iter().all(|byte| *byte == 0));
        }
    }
}
