//! What listeners cost: processor and memory of the relay.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use soundport_tests::{Listener, Relay, ToneSender, ToneSenderOptions};

use crate::Cost;

const SOURCE: &str = "127-0-0-1";
const COUNTS: [usize; 4] = [0, 1, 10, 100];
const MEASURE: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run() -> Result<()> {
    println!("load: the relay at 10 ms frames, one source, {} s each", MEASURE.as_secs());
    println!("{:>10} {:>12} {:>12} {:>14}", "listeners", "CPU, %", "memory, MB", "longest stall");
    for count in COUNTS {
        let relay = Relay::start()?;
        let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
        relay.wait_live(SOURCE)?;
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(Listener::join(relay.http(), SOURCE)?);
            attend(&mut listeners, Duration::ZERO)?;
        }
        connect(&mut listeners)?;
        attend(&mut listeners, Duration::from_secs(1))?;
        listeners.iter_mut().for_each(|listener| drop(listener.take_stream()));
        let before = relay.usage()?;
        let start = Instant::now();
        attend(&mut listeners, MEASURE)?;
        let Cost { cpu_percent: cpu, memory_mb: memory } = Cost::since(before, start, relay.usage()?);
        let stall =
            listeners.iter().map(|listener| listener.stream().longest_stall()).max().unwrap_or_default();
        println!("{count:>10} {cpu:>12.2} {memory:>12.1} {:>11} ms", stall.as_millis());
    }
    Ok(())
}

fn connect(listeners: &mut [Listener]) -> Result<()> {
    let deadline = Instant::now() + CONNECT_LIMIT;
    while !listeners.iter().all(Listener::is_connected) {
        attend(listeners, Duration::from_millis(50))?;
        ensure!(Instant::now() < deadline, "not all listeners were connected within {CONNECT_LIMIT:?}");
    }
    Ok(())
}

/// Moves all listeners on for `length`, on this thread alone.
fn attend(listeners: &mut [Listener], length: Duration) -> Result<()> {
    let end = Instant::now() + length;
    if listeners.is_empty() {
        thread::sleep(length);
        return Ok(());
    }
    let sockets = listeners.iter().map(Listener::socket).collect::<Result<Vec<_>>>()?;
    let mut waits: Vec<PollFd<'_>> =
        sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    let tick = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    loop {
        poll(&mut waits, Some(&tick))?;
        for (listener, wait) in listeners.iter_mut().zip(&waits) {
            match wait.revents().contains(PollFlags::IN) {
                true => listener.receive()?,
                false => listener.handle(None)?,
            }
        }
        if Instant::now() >= end {
            return Ok(());
        }
    }
}
