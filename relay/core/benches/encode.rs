//! What a source costs: one second of its sound, packets in, Opus frames out.
//! `cargo bench -p soundport-core --bench encode`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use divan::{Bencher, counter::ItemsCount};
use soundport_core::FrameLength;
use soundport_core::SourceId;
use soundport_core::demo::DemoSender;
use soundport_core::ingest::{EncodeConfig, Ingest, IngestConfig, SenderAddr};

/// Packets of the demo in a second.
const PACKETS: u32 = 200;

/// Where they come from.
const SENDER: SenderAddr = SenderAddr(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000));

fn main() {
    divan::main();
}

/// A source that plays the same second of the demo for ever, in virtual time.
struct Bench {
    ingest: Ingest,
    packets: Vec<Vec<u8>>,
    sent: u32,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new(frame: FrameLength, listeners: u32) -> Self {
        let mut ingest = Ingest::new(IngestConfig {
            encode: EncodeConfig { frame, ..EncodeConfig::default() },
            ..IngestConfig::default()
        });
        let (now, id) = (Instant::now(), SourceId::new("demo"));
        ingest.pin(SENDER, id.clone(), "Demo", now);
        ingest.set_listeners(&id, listeners);
        let mut sender = DemoSender::new(1);
        let packets = (0..PACKETS).map(|_| sender.next_packet().to_vec()).collect();
        let mut bench = Self { ingest, packets, sent: 0, now };
        bench.second(|_| true);
        bench
    }

    /// Plays a second, of which the packets that `comes` says are not lost.
    fn second(&mut self, comes: impl Fn(u32) -> bool) -> usize {
        let mut bytes = 0;
        for (n, packet) in (0..).zip(&mut self.packets) {
            self.now += Duration::from_millis(5);
            packet[2..4].copy_from_slice(&(self.sent as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&self.sent.wrapping_mul(240).to_be_bytes());
            self.sent = self.sent.wrapping_add(1);
            if comes(n) {
                self.ingest.handle_datagram(SENDER, IngestConfig::default().port, packet, self.now);
            }
            self.ingest.handle_timeout(self.now);
            while let Some(frame) = self.ingest.poll_frame() {
                bytes += frame.data.len();
            }
        }
        bytes
    }
}

#[divan::bench]
fn demo_alone(bencher: Bencher) {
    let mut sender = DemoSender::new(1);
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
        (0..PACKETS).map(|_| usize::from(divan::black_box(sender.next_packet())[40])).sum::<usize>()
    });
}

#[divan::bench]
fn second_heard_by_nobody(bencher: Bencher) {
    let mut bench = Bench::new(FrameLength::Ms10, 0);
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| bench.second(|_| true));
}

#[divan::bench(args = [5, 10, 20])]
fn second_heard(bencher: Bencher, frame_ms: u32) {
    let frame = match frame_ms {
        5 => FrameLength::Ms5,
        10 => FrameLength::Ms10,
        _ => FrameLength::Ms20,
    };
    let mut bench = Bench::new(frame, 1);
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| bench.second(|_| true));
}

#[divan::bench]
fn second_with_a_tenth_lost(bencher: Bencher) {
    let mut bench = Bench::new(FrameLength::Ms10, 1);
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| bench.second(|n| n % 10 != 7));
}
