//! Whatever comes is dropped and counted, and the sound goes on.
mod common;

use common::{Rig, Sender, addr, assert_steps, ms};
use proptest::prelude::*;
use soundport_core::ingest::IngestCounters;

const FROM: &str = "10.88.0.50:40000";

#[test]
fn junk_between_the_packets_is_not_heard() {
    let clean = Sender::new(1).send(ms(0), ms(2000), &[240], 1);
    let mut rig = Rig::new();
    for (at, packet) in &clean {
        rig.datagram(*at, addr(FROM), packet);
        rig.datagram(*at, addr(FROM), &[]);
        rig.datagram(*at, addr(FROM), &[0x80; 11]);
        rig.datagram(*at, addr(FROM), &[0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        rig.datagram(*at, addr(FROM), &vec![0x80; 20_000]);
        let mut pcmu = packet.clone();
        pcmu[1] = 0;
        rig.datagram(*at, addr(FROM), &pcmu);
        let mut other = packet.clone();
        other[1] = 96;
        rig.datagram(*at, addr(FROM), &other);
    }
    assert_steps(&rig.frames, 480);
    assert_eq!(rig.end(), 200 * 480);
    assert_eq!(rig.ids().len(), 1);
    let IngestCounters { received, malformed, rtcp, too_large, unknown_payload_type, .. } =
        rig.ingest.counters();
    assert_eq!(received, 400 * 7);
    assert_eq!((malformed, rtcp, too_large), (800, 400, 400));
    // The packet of type 96 that came before the source was there is under examination.
    assert!((798..=800).contains(&unknown_payload_type), "{unknown_payload_type}");
}

#[test]
fn header_extensions_contributors_and_padding_are_not_sound() {
    let clean = Sender::new(1).send(ms(0), ms(1000), &[240], 1);
    let dressed: Vec<_> = clean
        .iter()
        .map(|(at, packet)| {
            let mut bytes = packet[..12].to_vec();
            bytes[0] = 0x80 | 0x20 | 0x10 | 2;
            bytes.extend([7; 8]);
            bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
            bytes.extend(&packet[12..]);
            bytes.extend([0, 0, 0, 4]);
            (*at, bytes)
        })
        .collect();
    let (mut plain, mut other) = (Rig::new(), Rig::new());
    plain.play(addr(FROM), &clean);
    other.play(addr(FROM), &dressed);
    assert_eq!(other.end(), 100 * 480);
    assert!(plain.frames.iter().zip(&other.frames).all(|(a, b)| a.data == b.data), "the sound differs");
}

#[test]
fn bytes_that_fill_no_sample_are_left_out() {
    let mut rig = Rig::new();
    rig.hear(addr(FROM), "desktop");
    let mut packets = Sender::new(1).send(ms(0), ms(1000), &[240], 1);
    packets.iter_mut().for_each(|(_, packet)| packet.push(1));
    rig.play(addr(FROM), &packets);
    assert_eq!(rig.end(), 100 * 480);
    assert_eq!(rig.ingest.counters().trimmed, 200);
}

#[test]
fn packets_from_elsewhere_in_the_sequence_are_not_heard() {
    let (mut plain, mut other) = (Rig::new(), Rig::new());
    for (n, (at, packet)) in Sender::new(1).send(ms(0), ms(1000), &[240], 1).iter().enumerate() {
        plain.datagram(*at, addr(FROM), packet);
        other.datagram(*at, addr(FROM), packet);
        if n % 20 == 10 {
            let mut stray = packet.clone();
            for far in [0x40, 0x80] {
                stray[2] ^= far;
                other.datagram(*at, addr(FROM), &stray);
            }
        }
    }
    assert_eq!(other.ingest.counters().resynced, 0);
    assert!(plain.frames.iter().zip(&other.frames).all(|(a, b)| a.data == b.data), "the sound differs");
}

#[test]
fn opus_on_a_dynamic_type_is_no_source() {
    let mut rig = Rig::new();
    for n in 0..50_u8 {
        let mut packet = vec![0x80, 127, 0, n];
        packet.extend((u32::from(n) * 960).to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.resize(12 + 320, 0x55);
        rig.datagram(ms(u64::from(n) * 20), addr(FROM), &packet);
    }
    rig.run_until(ms(2000));
    assert!(rig.ids().is_empty());
    assert!(rig.ingest.counters().stray > 30);
}

/// Bytes of any kind, many of them almost RTP, with times between.
fn datagrams() -> impl Strategy<Value = Vec<(u64, u16, Vec<u8>)>> {
    let header = (
        any::<u8>(),
        prop_oneof![Just(10_u8), Just(11), Just(127), any::<u8>()],
        any::<u16>(),
        any::<u32>(),
        0..3_u32,
    );
    let almost = (header, prop::collection::vec(any::<u8>(), 0..700)).prop_map(
        |((first, kind, sequence, time, ssrc), payload)| {
            let mut bytes = vec![0x80 | first & 0x3f, kind];
            bytes.extend((sequence % 40).to_be_bytes());
            bytes.extend((u32::from(sequence % 40) * 160).wrapping_add(time % 3).to_be_bytes());
            bytes.extend(ssrc.to_be_bytes());
            bytes.extend(payload);
            bytes
        },
    );
    let any_bytes = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::vec((0..60_u64, 0..3_u16, prop_oneof![almost, any_bytes]), 0..60)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(datagrams in datagrams()) {
        let mut rig = Rig::new();
        let mut now = 0;
        for (wait, port, bytes) in &datagrams {
            now += wait;
            rig.datagram(ms(now), ([10, 0, 0, 1], 4000 + port).into(), bytes);
        }
        rig.run_until(ms(now + 100_000));
        prop_assert_eq!(rig.ingest.counters().received, datagrams.len() as u64);
        for source in rig.ids() {
            let times: Vec<_> = rig.frames.iter().filter(|f| f.source.as_str() == source).map(|f| f.time).collect();
            prop_assert!(times.windows(2).all(|w| w[1] > w[0] && (w[1] - w[0]) % 480 == 0));
        }
    }
}
