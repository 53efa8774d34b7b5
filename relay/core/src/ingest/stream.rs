use std::time::{Duration, Instant};

use super::EncodeConfig;
use super::facts::EncoderFacts;
use super::format::{Found, SourceFormat, opus_samples};
use super::pcm::{self, block_bytes};
use super::rate::RateMeter;
use super::reorder::{Held, Place, Reorder};
use super::sound::{Outlet, Seam, Sound};
use crate::format::{AudioFormat, Encoding};
use crate::frame::{RATE_HZ, SourceId};
use crate::rtp::Packet;
use crate::sample::Sample;

/// A hole is filled up to this length; timestamps that say more are not believed.
const MAX_HOLE: Duration = Duration::from_millis(250);

/// One source's packets: brought into order, read, holes measured. What nobody hears is only followed.
#[derive(Debug)]
pub(crate) struct Stream {
    reorder: Reorder,
    /// The timestamp that the next packet should have.
    expected: u32,
    /// A packet far from the others: with its successor it is a new beginning.
    jump: Option<Held>,
    format: Option<SourceFormat>,
    meter: RateMeter,
    /// What comes next does not belong to what went before.
    torn: bool,
    sound: Sound,
    scratch: Vec<Sample>,
}

impl Stream {
    pub(crate) fn new(id: SourceId, config: EncodeConfig) -> Self {
        Self {
            reorder: Reorder::new(0),
            expected: 0,
            jump: None,
            format: None,
            meter: RateMeter::new(RATE_HZ, false),
            torn: false,
            sound: Sound::new(id, config),
            scratch: Vec::new(),
        }
    }

    /// What the sender sends; none before its first packets.
    pub(crate) fn format(&self) -> Option<SourceFormat> {
        self.format
    }

    /// The rate that packets come at, where another is said; in hertz.
    pub(crate) fn paced_hz(&self) -> Option<u32> {
        self.meter.contradiction()
    }

    /// The encoder of its sound.
    pub(crate) fn encoder(&self) -> EncoderFacts {
        self.sound.encoder()
    }

    /// Sound comes from another sender from now on, whose first packets are here already; they are `heard` or not.
    pub(crate) fn adopt(
        &mut self,
        proven: SourceFormat,
        mut packets: Vec<Held>,
        heard: bool,
        out: &mut Outlet<'_>,
    ) {
        let anchor = packets.first().map_or(0, |held| held.sequence);
        packets.sort_by_key(|held| held.sequence.wrapping_sub(anchor).wrapping_add(1 << 15));
        let Some(first) = packets.first() else {
            return;
        };
        self.flush(out);
        if self.sound.is_paused(first.arrived) {
            self.sound.pause(out);
        }
        self.set_format(self.likely(proven), out);
        self.restart(first.sequence, first.timestamp);
        for packet in packets {
            if heard {
                self.take(packet, out);
            } else {
                self.follow(packet.sequence, packet.timestamp, packet.arrived, out);
            }
        }
    }

    /// The format turned out to be this: what was guessed before is forgotten.
    pub(crate) fn correct(&mut self, format: SourceFormat, out: &mut Outlet<'_>) {
        if self.format.is_some_and(|known| known != format) {
            self.flush(out);
            self.set_format(format, out);
        }
    }

    /// Takes a packet that nobody hears: only its place, its time and the sender's rate are followed.
    pub(crate) fn skip(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Outlet<'_>) {
        self.follow(packet.sequence, packet.timestamp, now, out);
    }

    /// Takes a packet as it comes. One that is the next is heard before this returns.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Outlet<'_>) {
        let mut place = self.reorder.place(packet.sequence);
        if self.sound.is_paused(now) {
            self.flush(out);
            self.sound.pause(out);
            // Nothing overtakes by so much: what is not new is another beginning, or a stray.
            place = match place {
                Place::Late | Place::Duplicate => return self.jump(Held::new(packet, now), out),
                Place::Next | Place::Ahead | Place::Far => Place::Next,
            };
            self.restart(packet.sequence, packet.timestamp);
        }
        if place == Place::Next {
            self.jump = None;
            self.reorder.advance();
            self.play(packet.timestamp, packet.payload, 0, now, out);
            self.measure(packet.timestamp, now, out);
            self.play_held(out);
            return;
        }
        self.take(Held::new(packet, now), out);
    }

    /// Gives up what is missing for too long, and pauses the sound when nothing comes.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outlet<'_>) {
        while self.reorder.deadline().is_some_and(|deadline| deadline <= now) {
            self.give_up(out);
        }
        if self.sound.poll_timeout().is_some_and(|pause| pause <= now) {
            self.sound.pause(out);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.reorder.deadline().into_iter().chain(self.sound.poll_timeout()).min()
    }

    /// Nobody hears it any more.
    pub(crate) fn stop(&mut self) {
        self.reorder.restart(self.reorder.next());
        self.torn = true;
        self.sound.stop();
    }

    /// Sound is encoded otherwise from now on.
    pub(crate) fn set_config(&mut self, config: EncodeConfig, out: &mut Outlet<'_>) {
        self.sound.set_config(config, out);
    }

    fn take(&mut self, packet: Held, out: &mut Outlet<'_>) {
        match self.reorder.place(packet.sequence) {
            Place::Next => {
                self.reorder.advance();
                self.play(packet.timestamp, &packet.payload, 0, packet.arrived, out);
                self.play_held(out);
            }
            Place::Ahead => {
                self.reorder.hold(packet);
                while self.reorder.is_full() {
                    self.give_up(out);
                }
            }
            Place::Late => {
                self.reorder.note_late(packet.sequence);
                out.counters.late += 1;
            }
            Place::Duplicate => out.counters.duplicate += 1,
            Place::Far => self.jump(packet, out),
        }
    }

    /// Two packets in sequence, far from the others: the sender began anew.
    fn jump(&mut self, packet: Held, out: &mut Outlet<'_>) {
        let follows =
            self.jump.as_ref().is_some_and(|first| first.sequence.wrapping_add(1) == packet.sequence);
        let first = self.jump.replace(packet);
        if !follows {
            out.counters.stray += u64::from(first.is_some());
            return;
        }
        let (Some(first), Some(second)) = (first, self.jump.take()) else {
            return;
        };
        out.counters.resynced += 1;
        self.flush(out);
        self.restart(first.sequence, first.timestamp);
        self.take(first, out);
        self.take(second, out);
    }

    /// Whatever comes next follows what was, without a hole and without a click.
    fn restart(&mut self, sequence: u16, timestamp: u32) {
        self.reorder.restart(sequence);
        self.expected = timestamp;
        self.jump = None;
        self.meter.interrupt();
        self.torn = true;
    }

    fn flush(&mut self, out: &mut Outlet<'_>) {
        while self.reorder.deadline().is_some() {
            self.give_up(out);
        }
    }

    fn give_up(&mut self, out: &mut Outlet<'_>) {
        let lost = self.reorder.give_up();
        out.counters.lost += u64::from(lost);
        if let Some(held) = self.reorder.pop() {
            self.play(held.timestamp, &held.payload, lost, held.arrived, out);
        }
        self.play_held(out);
    }

    fn play_held(&mut self, out: &mut Outlet<'_>) {
        while let Some(held) = self.reorder.pop() {
            self.play(held.timestamp, &held.payload, 0, held.arrived, out);
        }
    }

    /// A packet that is not heard has come.
    fn follow(&mut self, sequence: u16, timestamp: u32, arrived: Instant, out: &mut Outlet<'_>) {
        self.flush(out);
        self.sound.rest(arrived, out);
        if self.reorder.place(sequence) == Place::Next {
            self.measure(timestamp, arrived, out);
        } else {
            self.meter.interrupt();
        }
        self.reorder.restart(sequence.wrapping_add(1));
        self.jump = None;
        self.torn = true;
    }

    /// A packet's turn has come; the `lost` ones before it never came.
    fn play(&mut self, timestamp: u32, payload: &[u8], lost: u16, arrived: Instant, out: &mut Outlet<'_>) {
        let Some(SourceFormat { audio, .. }) = self.format else {
            return;
        };
        match block_bytes(audio) {
            Some(block) => self.play_pcm(audio, block, (timestamp, payload), lost, arrived, out),
            None => self.play_opus(timestamp, payload, lost, arrived, out),
        }
    }

    fn play_pcm(
        &mut self,
        audio: AudioFormat,
        block: usize,
        (timestamp, payload): (u32, &[u8]),
        lost: u16,
        arrived: Instant,
        out: &mut Outlet<'_>,
    ) {
        let mut sound = std::mem::take(&mut self.scratch);
        pcm::read(audio, payload, &mut sound);
        out.counters.trimmed += u64::from(!payload.len().is_multiple_of(block));
        out.counters.malformed += u64::from(sound.is_empty());
        let seam = self.seam(timestamp, lost, audio.rate_hz, out);
        // A payload is at most a datagram long.
        self.expected = timestamp.wrapping_add(sound.len() as u32);
        self.sound.hear(seam, &mut sound, arrived, out);
        self.scratch = sound;
    }

    fn play_opus(
        &mut self,
        timestamp: u32,
        payload: &[u8],
        lost: u16,
        arrived: Instant,
        out: &mut Outlet<'_>,
    ) {
        let Some(samples) = opus_samples(payload) else {
            out.counters.malformed += 1;
            return;
        };
        let hole = match self.seam(timestamp, lost, RATE_HZ, out) {
            // At most a quarter of a second.
            Seam::Hole(samples) => samples as u32,
            Seam::None => 0,
        };
        self.expected = timestamp.wrapping_add(samples);
        self.sound.hand_on(hole, payload, samples, arrived, out);
    }

    /// Timestamps measure holes, but only where packets are missing: a jump without loss is followed as it is.
    fn seam(&mut self, timestamp: u32, lost: u16, rate_hz: u32, out: &mut Outlet<'_>) -> Seam {
        let torn = std::mem::take(&mut self.torn);
        let hole = timestamp.wrapping_sub(self.expected);
        if lost > 0 {
            let longest = u64::from(rate_hz) * MAX_HOLE.as_millis() as u64 / 1000;
            let believed = u64::from(hole) <= longest;
            return Seam::Hole(if believed { hole as usize } else { 0 });
        }
        if hole != 0 {
            out.counters.resynced += 1;
            self.meter.interrupt();
        }
        if torn { Seam::Hole(0) } else { Seam::None }
    }

    fn measure(&mut self, timestamp: u32, now: Instant, out: &mut Outlet<'_>) {
        let Some(rate_hz) = self.meter.observe(timestamp, now) else {
            return;
        };
        if let Some(SourceFormat { audio, .. }) = self.format {
            let audio = AudioFormat { rate_hz, ..audio };
            self.format = Some(SourceFormat { audio, found: Found::Measured });
            self.sound.set_rate(rate_hz, out);
        }
    }

    /// A sender that comes back unannounced most likely has the rate that was measured of it before.
    fn likely(&self, proven: SourceFormat) -> SourceFormat {
        let same = |known: &SourceFormat| {
            let (known, new) = (known.audio, proven.audio);
            (known.encoding, known.channels) == (new.encoding, new.channels)
        };
        match self.format {
            Some(known) if proven.is_open() && known.is_open() && same(&known) => known,
            _ => proven,
        }
    }

    fn set_format(&mut self, format: SourceFormat, out: &mut Outlet<'_>) {
        let is_opus = |format: SourceFormat| format.audio.encoding == Encoding::Opus;
        if self.format.is_some_and(|known| is_opus(known) != is_opus(format)) {
            self.sound.fall_silent(out);
        }
        self.sound.set_rate(format.audio.rate_hz, out);
        self.meter = RateMeter::new(format.audio.rate_hz, !format.is_open());
        self.format = Some(format);
    }
}
