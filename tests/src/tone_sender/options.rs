use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use soundport_api::Encoding;

/// What is sent, and what happens to it on the way.
#[derive(Debug, Clone)]
pub struct ToneSenderOptions {
    /// Frames a packet: for Opus 960.
    pub packet_frames: u32,
    /// How samples are written.
    pub encoding: Encoding,
    /// Frames a second, in hertz; the RTP clock as well.
    pub rate: u32,
    /// Channels, interleaved; one is the left tone alone.
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
    /// What is to be heard first.
    pub signal: Signal,
    /// What timestamps do over a pause.
    pub pause: Pause,
}

/// What a [`ToneSender`](super::ToneSender) plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// 440 Hz in the first channel, 880 Hz in the second.
    Tones,
    /// 1 kHz at −6 dBFS in the channel of that number, from 0 on, or in all.
    Kilohertz(Option<u8>),
    /// Digital silence.
    Zeros,
    /// Near silence, and a sharp 1 kHz burst in all channels that often, always at the start of a packet.
    Onsets(Duration),
    /// Two sharp 1 kHz bursts in all channels, the first at its very first sample, and digital silence around them.
    Pair,
}

/// What timestamps do over a pause; sequence numbers are always contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// They go on as if there had been none, as PulseAudio's and PipeWire's do.
    Contiguous,
    /// They count it.
    Counted,
}

/// The start of a burst.
#[derive(Debug, Clone, Copy)]
pub struct Onset {
    /// When its packet was given to the system.
    pub sent: SystemTime,
}

impl Signal {
    /// How long a burst of [`Self::Onsets`] and [`Self::Pair`] is.
    pub const BURST: Duration = Duration::from_millis(50);
    /// From the first sample of the first burst of [`Self::Pair`] to that of the second.
    pub const PAIR: Duration = Duration::from_millis(200);
}

impl Default for ToneSenderOptions {
    fn default() -> Self {
        Self {
            packet_frames: 317,
            encoding: Encoding::L16,
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
            pause: Pause::Contiguous,
        }
    }
}
