use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use opus::{Channels, Decoder};

use crate::Recording;

const RATE: u32 = 48_000;
/// The longest packet that Opus knows: 120 ms.
const LARGEST_FRAMES: usize = 5760;

/// An Opus packet as it came.
#[derive(Debug, Clone)]
pub struct Packet {
    /// RTP sequence number, counted on over its wraps.
    pub sequence: u64,
    /// RTP timestamp in frames of 48 kHz, counted on over its wraps.
    pub time: u64,
    /// When it came.
    pub arrived: Instant,
    /// The Opus packet.
    pub payload: Arc<[u8]>,
}

/// The packets of a session over a stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    packets: Vec<Packet>,
}

impl Stream {
    /// Whether no packet came.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The packets in the order they came.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Adds a packet that came.
    pub fn push(&mut self, packet: Packet) {
        self.packets.push(packet);
    }

    /// The sound, decoded from the first packet on; lost packets are concealed as Opus does it.
    ///
    /// # Errors
    /// When a packet is not Opus.
    pub fn decode(&self) -> Result<Recording> {
        let mut decoder = Decoder::new(RATE, Channels::Stereo)?;
        let mut frames = Vec::new();
        let mut samples = vec![0.0; LARGEST_FRAMES * 2];
        let mut last: Option<(u64, usize)> = None;
        for packet in self.ordered() {
            let missing = last.map_or(0, |(sequence, _)| packet.sequence.saturating_sub(sequence + 1));
            let lost_frames = last.map_or(0, |(_, count)| count);
            for _ in 0..missing.min(50) {
                let count = decoder.decode_float(&[], &mut samples[..lost_frames * 2], false)?;
                frames.extend(samples[..count * 2].chunks_exact(2).map(|pair| [pair[0], pair[1]]));
            }
            let count =
                decoder.decode_float(&packet.payload, &mut samples, false).context("not an Opus packet")?;
            frames.extend(samples[..count * 2].chunks_exact(2).map(|pair| [pair[0], pair[1]]));
            last = Some((packet.sequence, count));
        }
        Ok(Recording { rate: RATE, frames })
    }

    /// The sound without its first fifth of a second, in which a decoder that joins settles.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn settled(&self) -> Result<Recording> {
        let all = self.decode()?;
        Ok(all.part(0.2, all.seconds()))
    }

    /// Checks that no packet is missing and every timestamp steps by exactly one frame; returns how many were looked at.
    ///
    /// # Errors
    /// When one does not; the text names it.
    pub fn check_steps(&self) -> Result<usize> {
        let ordered = self.ordered();
        for pair in ordered.windows(2) {
            let length = opus::packet::get_nb_samples(&pair[0].payload, RATE)? as u64;
            let (packets, frames) = (pair[1].sequence - pair[0].sequence, pair[1].time - pair[0].time);
            ensure!(packets == 1, "{packets} packets after sequence {}", pair[0].sequence);
            ensure!(frames == length, "timestamp stepped by {frames} after a packet of {length} frames");
        }
        Ok(ordered.len())
    }

    /// The longest time between two packets that came.
    pub fn longest_stall(&self) -> Duration {
        let gaps = self.packets.windows(2).map(|pair| pair[1].arrived.duration_since(pair[0].arrived));
        gaps.max().unwrap_or_default()
    }

    fn ordered(&self) -> Vec<&Packet> {
        let mut ordered: Vec<&Packet> = self.packets.iter().collect();
        ordered.sort_by_key(|packet| packet.sequence);
        ordered.dedup_by_key(|packet| packet.sequence);
        ordered
    }
}

#[cfg(test)]
mod tests {
    use opus::{Application, Encoder};

    use super::*;
    use crate::Tone;

    fn encoded(count: u64) -> Stream {
        let mut encoder = Encoder::new(RATE, Channels::Stereo, Application::Audio).unwrap();
        encoder.set_bitrate(opus::Bitrate::Bits(128_000)).unwrap();
        let mut stream = Stream::default();
        for index in 0..count {
            let frames: Vec<f32> =
                (index * 480..index * 480 + 480).flat_map(|frame| Tone::frame(frame, RATE)).collect();
            let payload = encoder.encode_vec_float(&frames, 1000).unwrap().into();
            stream.push(Packet {
                sequence: 65_530 + index,
                time: index * 480,
                arrived: Instant::now(),
                payload,
            });
        }
        stream
    }

    #[test]
    fn an_encoded_tone_is_heard_clean() {
        let stream = encoded(200);
        assert_eq!(stream.check_steps().unwrap(), 200);
        let heard = stream.settled().unwrap();
        heard.check_ears().unwrap();
        assert!(heard.largest_step() < 1.1, "{}", heard.largest_step());
    }

    #[test]
    fn a_missing_packet_and_a_crooked_timestamp_are_noticed() {
        let mut missing = encoded(200);
        missing.packets.remove(100);
        assert!(missing.check_steps().is_err());
        assert_eq!(missing.decode().unwrap().frames.len(), 200 * 480);
        let mut crooked = encoded(200);
        crooked.packets[100].time += 1;
        assert!(crooked.check_steps().is_err());
    }
}
