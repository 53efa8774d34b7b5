//! Endless Ogg as a player meets it, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::HashMap;
use std::io::Cursor;
use std::time::{Duration, Instant};

use ogg::PacketReader;
use opus::{Application, Channels, Decoder, Encoder};
use proptest::prelude::*;
use soundport_core::RATE_HZ;
use soundport_core::ogg::OggStream;

const SERIAL: u32 = 0xcafe_0001;
const FRAME: Duration = Duration::from_millis(10);
const FRAME_SAMPLES: u32 = 480;
/// Loud enough not to be silence.
const LOUD: f32 = 0.1;

/// A stream and all that it wrote, a source of 10 ms frames, and the time.
struct Rig {
    stream: OggStream,
    bytes: Vec<u8>,
    begin: Instant,
    now: Instant,
    timestamp: u32,
    encoder: Encoder,
}

/// What a player makes of it.
struct Played {
    packets: Vec<Vec<u8>>,
    /// The granule position at the end of the last page.
    position: u64,
    is_whole: bool,
}

#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
fn beginning() -> Instant {
    Instant::now()
}

impl Rig {
    fn new() -> Self {
        Self::ahead(Duration::ZERO)
    }

    /// With so much silence before the sound.
    fn ahead(ahead: Duration) -> Self {
        let begin = beginning();
        let mut bytes = vec![];
        let stream = OggStream::begin(SERIAL, "Desktop", 44_100, ahead, begin, &mut bytes);
        let encoder = Encoder::new(RATE_HZ, Channels::Stereo, Application::LowDelay).unwrap();
        Self { stream, bytes, begin, now: begin, timestamp: u32::MAX - 4_000, encoder }
    }

    /// Lets time pass without packets.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.stream.poll_timeout() <= until {
            self.now = self.now.max(self.stream.poll_timeout());
            self.stream.handle_timeout(self.now, &mut self.bytes);
            assert!(self.stream.poll_timeout() > self.now, "a timeout that stays due");
        }
        self.now = until;
    }

    /// A loud frame now.
    fn frame(&mut self) {
        let wave = |n: u32| (0.5 * (f64::from(n % 100) / 100.0 * std::f64::consts::TAU).sin()) as f32;
        let sound: Vec<f32> = (0..FRAME_SAMPLES).flat_map(|n| [wave(n), wave(n)]).collect();
        let packet = self.encoder.encode_vec_float(&sound, 1276).unwrap();
        self.packet(&packet, FRAME_SAMPLES);
    }

    fn packet(&mut self, packet: &[u8], samples: u32) {
        self.stream.handle_packet(self.timestamp, packet, self.now, &mut self.bytes);
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// Frames in their time.
    fn play(&mut self, frames: u32) {
        for _ in 0..frames {
            self.pass(FRAME);
            self.frame();
        }
    }

    /// The source is silent, and counts the time; it encodes the first sound afterwards as such, as ingest does.
    fn pause(&mut self, time: Duration) {
        self.encoder.reset_state().unwrap();
        self.pass(time);
        self.timestamp = self.timestamp.wrapping_add((time.as_micros() * 48 / 1000) as u32);
    }

    fn elapsed_samples(&self) -> u64 {
        ((self.now - self.begin).as_micros() * 48 / 1000) as u64
    }

    fn end(mut self) -> Played {
        self.stream.end(&mut self.bytes);
        read(&self.bytes)
    }
}

/// Reads the stream as a demultiplexer does that takes no excuse, and checks what must hold of every one.
fn read(bytes: &[u8]) -> Played {
    let mut reader = PacketReader::new(Cursor::new(bytes));
    let head = reader.read_packet_expected().unwrap();
    assert!(head.first_in_stream() && head.last_in_page() && head.absgp_page() == 0);
    assert_eq!(head.stream_serial(), SERIAL);
    assert_eq!(head.data, b"OpusHead\x01\x02\x00\x0f\x44\xac\0\0\0\0\0");
    let tags = reader.read_packet_expected().unwrap();
    assert!(tags.first_in_page() && tags.last_in_page() && tags.absgp_page() == 0);
    assert!(tags.data.starts_with(b"OpusTags") && tags.data.ends_with(b"\x0d\0\0\0TITLE=Desktop"));
    let (mut packets, mut position, mut samples, mut is_whole) = (vec![], 0, 0, false);
    while let Some(packet) = reader.read_packet().unwrap() {
        assert!(!is_whole && packet.stream_serial() == SERIAL);
        samples += opus::packet::get_nb_samples(&packet.data, RATE_HZ).unwrap() as u64;
        if packet.last_in_page() {
            assert_eq!(packet.absgp_page(), samples, "the page's position is the sum of what is in it");
            position = samples;
        }
        is_whole = packet.last_in_stream();
        packets.push(packet.data);
    }
    check_pages(bytes);
    Played { packets, position, is_whole }
}

/// Whether a packet is silence that the relay has written.
fn is_silence(packet: &[u8]) -> bool {
    packet.len() > 5 && packet[1] == 0x41 && packet[3..5] == [0xff, 0xfe]
}

/// That pages are numbered without a hole, and none goes on in the next.
fn check_pages(mut bytes: &[u8]) {
    let mut number = 0_u32;
    while !bytes.is_empty() {
        assert_eq!(&bytes[..4], b"OggS");
        assert_eq!(bytes[18..22], number.to_le_bytes());
        assert_eq!(bytes[5], if number == 0 { 2 } else { bytes[5] & 4 });
        let segments = usize::from(bytes[26]);
        let lacing = &bytes[27..27 + segments];
        assert_ne!(lacing.last(), Some(&255), "a packet goes on in the next page");
        let body: usize = lacing.iter().map(|length| usize::from(*length)).sum();
        bytes = &bytes[27 + segments + body..];
        number += 1;
    }
}

impl Played {
    /// Whether each hundredth of a second is loud.
    fn loudness(&self) -> Vec<bool> {
        let mut decoder = Decoder::new(RATE_HZ, Channels::Stereo).unwrap();
        let mut sound: Vec<f32> = vec![];
        let mut buffer = vec![0.0; 2 * 5_760];
        for packet in &self.packets {
            let length = decoder.decode_float(packet, &mut buffer, false).unwrap();
            sound.extend(buffer[..2 * length].iter().step_by(2));
        }
        sound.chunks(480).map(|part| part.iter().any(|level| level.abs() > LOUD)).collect()
    }

    /// How many packets are as long as each length, in samples.
    fn lengths(&self) -> HashMap<usize, usize> {
        let mut lengths = HashMap::new();
        for packet in &self.packets {
            *lengths.entry(opus::packet::get_nb_samples(packet, RATE_HZ).unwrap()).or_default() += 1;
        }
        lengths
    }
}

#[test]
fn what_comes_is_passed_on_as_it_is_and_pages_are_short() {
    let mut rig = Rig::new();
    let before = rig.bytes.len();
    rig.play(4);
    assert!(rig.bytes.len() > before, "40 ms are sent at once");
    rig.play(996);
    let played = rig.end();
    assert!(played.is_whole);
    assert_eq!(played.packets.len(), 1001, "and one that ends it");
    assert_eq!(played.position, 1000 * 480 + 960);
    assert!(played.loudness()[1..1000].iter().all(|loud| *loud));
}

#[test]
fn a_pause_is_silence_of_the_same_length_and_never_ahead_of_the_clock() {
    let mut rig = Rig::new();
    rig.play(100);
    for seconds in [1, 7, 60] {
        for _ in 0..seconds * 10 {
            rig.pause(Duration::from_millis(100));
            let (position, clock) = (read(&rig.bytes).position, rig.elapsed_samples());
            assert!((clock.saturating_sub(15_000)..=clock).contains(&position), "{position} at {clock}");
        }
        rig.play(100);
        assert!(read(&rig.bytes).position.abs_diff(rig.elapsed_samples()) <= 1_920);
    }
    let loudness = rig.end().loudness();
    let runs: Vec<usize> = loudness.chunk_by(|a, b| a == b).map(<[bool]>::len).collect();
    let expected = [100, 100, 100, 700, 100, 6000, 100, 2];
    assert_eq!(runs.len(), expected.len(), "{runs:?}");
    // Two hundredths are partly loud where the sound fades.
    assert!(runs.iter().zip(expected).all(|(run, expected)| run.abs_diff(expected) <= 2), "{runs:?}");
}

#[test]
fn the_first_sound_after_a_pause_is_whole() {
    for millis in [300, 555, 1000, 1234, 5678] {
        let mut rig = Rig::new();
        rig.play(50);
        rig.pause(Duration::from_millis(millis));
        let before = read(&rig.bytes).packets.len();
        // What had been held back may make the source early by 50 ms.
        rig.timestamp = rig.timestamp.wrapping_sub(2_400);
        rig.play(100);
        assert_eq!(rig.stream.dropped(), 0);
        let after = rig.end().packets;
        assert_eq!(after[before..].iter().filter(|packet| !is_silence(packet)).count(), 100);
    }
}

#[test]
fn who_has_a_head_start_keeps_it() {
    let ahead = 24_000;
    for silent in [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(10)] {
        let mut rig = Rig::ahead(Duration::from_millis(500));
        assert_eq!(read(&rig.bytes).position, ahead, "it is sent at once");
        rig.pass(silent);
        rig.play(100);
        rig.pause(Duration::from_secs(3));
        rig.play(100);
        let (position, clock) = (read(&rig.bytes).position, rig.elapsed_samples() + ahead);
        assert!((clock - 1_920..=clock).contains(&position), "{position} at {clock}");
        assert_eq!(rig.stream.dropped(), 0);
    }
}

#[test]
fn a_source_that_is_silent_from_the_beginning_does_not_starve_the_player() {
    let mut rig = Rig::new();
    rig.pass(Duration::from_secs(10));
    assert!(read(&rig.bytes).position >= 9 * 48_000);
    rig.play(100);
    assert!(read(&rig.bytes).position.abs_diff(rig.elapsed_samples()) <= 1_920);
    assert_eq!(rig.stream.dropped(), 0);
}

#[test]
fn bursts_and_a_source_with_a_clock_of_its_own_are_followed_without_silence() {
    for off_micros in [-10_i64, 0, 10] {
        let mut rig = Rig::new();
        for burst in 0..6_000_u32 {
            let step = Duration::from_micros(30_000_u64.saturating_add_signed(3 * off_micros));
            rig.pass(step * (burst + 1) - (rig.now - rig.begin));
            (0..3).for_each(|_| rig.frame());
        }
        let played = rig.end();
        assert_eq!(played.packets.iter().filter(|packet| is_silence(packet)).count(), 1, "the last alone");
        assert_eq!(played.position, 18_000 * 480 + 960);
    }
}

#[test]
fn what_comes_after_its_time_is_left_out_and_the_delay_does_not_grow() {
    let mut rig = Rig::new();
    rig.play(100);
    for _ in 0..20 {
        // A stall that is no pause of the source: its packets come all at once afterwards.
        rig.pass(Duration::from_millis(500));
        (0..50).for_each(|_| rig.frame());
        rig.play(100);
        let (position, clock) = (read(&rig.bytes).position, rig.elapsed_samples());
        assert!(position <= clock + 480, "{position} is ahead of {clock}");
    }
    assert!((200..900).contains(&rig.stream.dropped()), "{} dropped", rig.stream.dropped());
    // A short one loses nothing.
    let before = rig.stream.dropped();
    rig.pass(Duration::from_millis(200));
    (0..20).for_each(|_| rig.frame());
    assert_eq!(rig.stream.dropped(), before);
}

#[test]
fn a_container_that_is_restarted_goes_on_at_the_time_of_the_clock() {
    let mut rig = Rig::new();
    for timestamp in [0, 1 << 31, 77, u32::MAX] {
        rig.play(100);
        rig.pass(Duration::from_secs(5));
        rig.timestamp = timestamp;
        rig.play(100);
        let (position, clock) = (read(&rig.bytes).position, rig.elapsed_samples());
        assert!(position.abs_diff(clock) <= 1_920, "{position} at {clock}");
        assert_eq!(rig.stream.dropped(), 0);
    }
}

#[test]
fn a_pause_may_be_longer_than_timestamps_count() {
    let mut rig = Rig::new();
    rig.play(10);
    let pause = Duration::from_secs(26 * 3600);
    rig.pause(pause);
    rig.play(100);
    assert_eq!(rig.stream.dropped(), 0);
    let (position, clock) = (read(&rig.bytes).position, rig.elapsed_samples());
    assert!(position.abs_diff(clock) <= 1_920, "{position} at {clock}");
}

#[test]
fn who_was_stopped_for_long_is_not_given_it_all_at_once() {
    let mut rig = Rig::new();
    rig.play(10);
    let before = rig.bytes.len();
    rig.now += Duration::from_secs(3600);
    rig.stream.handle_timeout(rig.now, &mut rig.bytes);
    rig.play(10);
    assert!(rig.bytes.len() - before < 10_000, "{} bytes", rig.bytes.len() - before);
    assert_eq!(rig.stream.dropped(), 0);
}

#[test]
fn packets_of_other_lengths_and_channels_are_passed_on() {
    let mut rig = Rig::new();
    for (channels, samples) in
        [(1, 960), (2, 120), (2, 240), (1, 480), (2, 1_920), (1, 2_880), (2, 960), (1, 120)]
    {
        let kind = if channels == 1 { Channels::Mono } else { Channels::Stereo };
        let mut encoder = Encoder::new(RATE_HZ, kind, Application::Audio).unwrap();
        for _ in 0..50 {
            let packet = encoder.encode_vec_float(&vec![0.25; samples * channels], 1276).unwrap();
            rig.pass(Duration::from_micros(samples as u64 * 1000 / 48));
            rig.packet(&packet, samples as u32);
        }
        rig.pause(Duration::from_secs(1));
    }
    assert_eq!(rig.stream.dropped(), 0);
    let (clock, played) = (rig.elapsed_samples(), rig.end());
    assert!(played.lengths()[&2_880] == 50 && played.lengths()[&1_920] == 50);
    assert!(played.position.abs_diff(clock) <= 15_000, "{} at {clock}", played.position);
}

#[test]
fn what_is_no_opus_is_dropped_and_counted() {
    let mut rig = Rig::new();
    rig.play(10);
    let junk = [vec![], vec![0xff, 0], vec![3, 0xc0], vec![0xfc; 70_000]];
    for packet in &junk {
        rig.stream.handle_packet(rig.timestamp, packet, rig.now, &mut rig.bytes);
    }
    assert_eq!(rig.stream.dropped(), junk.len() as u64);
    rig.play(10);
    assert_eq!(rig.end().packets.len(), 21);
}

proptest! {
    /// Whatever comes whenever, what goes out is a whole stream that does not run away.
    #[test]
    fn any_packets_make_a_whole_stream(
        packets in prop::collection::vec(
            (any::<u32>(), prop::collection::vec(any::<u8>(), 0..600), 0_u64..400, any::<bool>()),
            0..200,
        ),
    ) {
        let mut rig = Rig::new();
        let mut given = 0;
        for (timestamp, packet, wait_millis, follows) in packets {
            rig.pass(Duration::from_millis(wait_millis));
            let samples = opus::packet::get_nb_samples(&packet, RATE_HZ).unwrap_or(0) as u32;
            given += u64::from(samples);
            rig.timestamp = if follows { rig.timestamp } else { timestamp };
            rig.packet(&packet, samples);
        }
        let limit = rig.elapsed_samples() + 2 * given + 24_000;
        let played = rig.end();
        prop_assert!(played.is_whole);
        prop_assert!(played.position <= limit, "{} of {}", played.position, limit);
    }
}
