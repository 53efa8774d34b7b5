//! What a source costs: one second of its sound, packets in, Opus frames out.
//! `cargo bench -p soundport-core --bench encode`

use std::time::{Duration, Instant};

use divan::{Bencher, counter::ItemsCount};
use soundport_core::FrameLength;
use soundport_core::SourceId;
use soundport_core::demo::DemoSender;
use soundport_core::ingest::{Ingest, IngestConfig, SenderAddr};

/// Packets of the demo in a second.
const PACKETS: u32 = 200;

fn main() {
    divan::main();
}

/// A source that runs in virtual time.
struct Bench {
    ingest: Ingest,
    sender: DemoSender,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new(frame: FrameLength, listeners: u32) -> Self {
        let mut ingest = Ingest::new(IngestConfig { frame, ..IngestConfig::default() });
        let (now, id) = (Instant::now(), SourceId::new("demo"));
        ingest.pin(SenderAddr(([127, 0, 0, 1], 4000).into()), id.clone(), "Demo");
        ingest.set_listeners(&id, listeners, now);
        let mut bench = Self { ingest, sender: DemoSender::new(1), now };
        bench.second(|_| true);
        bench
    }

    /// Plays a second, of which the packets that `comes` says are not lost.
    fn second(&mut self, comes: impl Fn(u32) -> bool) -> usize {
        let mut bytes = 0;
        for n in 0..PACKETS {
            self.now += Duration::from_millis(5);
            let packet = self.sender.next_packet();
            if comes(n) {
                self.ingest.handle_datagram(SenderAddr(([127, 0, 0, 1], 4000).into()), packet, self.now);
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
