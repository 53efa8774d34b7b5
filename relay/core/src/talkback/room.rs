use std::sync::Arc;

use super::TICK;
use super::mix::Mix;
use crate::frame::{OpusFrame, Recipients, SourceId};
use crate::sample::{SILENCE, Sample};
use crate::session::SessionId;

/// Ticks for which a listener who spoke keeps a mix of its own: longer than a pause between two sentences.
const APART_TICKS: u32 = 300;

/// One tick of one talker's sound.
#[derive(Debug, Clone, Copy)]
pub struct Spoken<'a> {
    /// The talker's own listener, who hears all but this talker.
    pub listener: Option<SessionId>,
    /// The sound.
    pub sound: &'a [Sample; TICK],
    /// Whether it is more than silence.
    pub sounds: bool,
}

/// Where talkers hear all others but themselves: a mix for each who speaks, and a common one for everybody else.
///
/// Who begins to speak leaves the common mix for one of its own; who has not spoken for some seconds comes back. Either
/// may happen in the middle of somebody else's sentence, and is not heard.
#[derive(Debug)]
pub struct Room {
    source: SourceId,
    bitrate_bps: u32,
    /// Of all who speak. None while nobody needs it.
    common: Option<Mix>,
    seats: Vec<Seat>,
}

/// A listener who also talks.
#[derive(Debug)]
struct Seat {
    listener: SessionId,
    /// Of all but its own voice. None while it hears the common mix, or silence.
    own: Option<Mix>,
    /// Ticks since it spoke.
    quiet_ticks: u32,
    /// Whether it hears the common mix.
    shares: bool,
}

impl Seat {
    /// Whether it hears something else than those who do not speak.
    fn is_apart(&self) -> bool {
        self.quiet_ticks < APART_TICKS
    }
}

impl Room {
    /// A room that nobody is in. Its frames say that they are of `source`; each mix takes `bitrate_bps` bits a second.
    pub fn new(source: SourceId, bitrate_bps: u32) -> Self {
        Self { source, bitrate_bps, common: None, seats: Vec::new() }
    }

    /// Bits per second that each mix takes.
    pub fn bitrate_bps(&self) -> u32 {
        self.bitrate_bps
    }

    /// Takes one tick of everybody's sound, and appends its frames, each of one tick.
    ///
    /// `time` is where the tick begins on the source's timeline, in samples; `others_listen` says whether there are
    /// listeners who do not talk. Who would hear nothing but silence gets no frame.
    pub fn tick(&mut self, time: u64, talkers: &[Spoken<'_>], others_listen: bool, out: &mut Vec<OpusFrame>) {
        self.seat(talkers);
        let common_needed = others_listen || self.seats.iter().any(|seat| !seat.is_apart());
        self.separate();
        let common = self.common_frame(talkers, common_needed);
        let emit = |to, data| OpusFrame { source: self.source.clone(), to, time, samples: TICK as u32, data };
        if let Some(data) = common.as_ref().filter(|_| others_listen) {
            out.push(emit(Recipients::Others, Arc::clone(data)));
        }
        for seat in &mut self.seats {
            let data = if seat.is_apart() {
                let (mut sum, sounds) = sum(talkers, Some(seat.listener));
                if sounds && seat.own.is_none() {
                    seat.own = Some(Mix::new(self.bitrate_bps));
                }
                seat.own.as_mut().and_then(|own| own.encode(&mut sum, sounds))
            } else {
                common.clone()
            };
            out.extend(data.map(|data| emit(Recipients::Session(seat.listener), data)));
        }
    }

    /// Learns who is there, and who speaks.
    fn seat(&mut self, talkers: &[Spoken<'_>]) {
        for listener in talkers.iter().filter_map(|talker| talker.listener) {
            if !self.seats.iter().any(|seat| seat.listener == listener) {
                self.seats.push(Seat { listener, own: None, quiet_ticks: APART_TICKS, shares: true });
            }
        }
        let common = &mut self.common;
        self.seats.retain_mut(|seat| {
            let mut here = talkers.iter().filter(|talker| talker.listener == Some(seat.listener)).peekable();
            if here.peek().is_none() {
                come_back(seat, common);
                return false;
            }
            let speaks = here.any(|talker| talker.sounds);
            seat.quiet_ticks = if speaks { 0 } else { seat.quiet_ticks.saturating_add(1) };
            true
        });
    }

    /// Gives those who began to speak a mix of their own, and takes it from those who have not spoken for long.
    fn separate(&mut self) {
        for seat in self.seats.iter_mut().filter(|seat| seat.shares == seat.is_apart()) {
            seat.shares = !seat.shares;
            if seat.shares {
                come_back(seat, &mut self.common);
            } else {
                let sounding = self.common.as_mut().filter(|common| common.is_sounding());
                seat.own = sounding.map(|common| common.branch(self.bitrate_bps));
            }
        }
    }

    fn common_frame(&mut self, talkers: &[Spoken<'_>], needed: bool) -> Option<Arc<[u8]>> {
        if !needed {
            self.common = None;
            return None;
        }
        let (mut sum, sounds) = sum(talkers, None);
        if !sounds && self.common.is_none() {
            return None;
        }
        self.common.get_or_insert_with(|| Mix::new(self.bitrate_bps)).encode(&mut sum, sounds)
    }
}

/// Lets a listener hear the common mix from now on; its own was the same for long.
fn come_back(seat: &mut Seat, common: &mut Option<Mix>) {
    let Some(own) = seat.own.take().filter(Mix::is_sounding) else {
        return;
    };
    match common {
        Some(common) if common.is_sounding() => common.welcome(),
        _ => *common = Some(own),
    }
}

/// The sum of all who speak, but not of those whose own listener it is for, and whether it is more than silence.
fn sum(talkers: &[Spoken<'_>], listener: Option<SessionId>) -> ([Sample; TICK], bool) {
    let mut sum = [SILENCE; TICK];
    let mut sounds = false;
    let heard = |talker: &&Spoken<'_>| talker.sounds && (listener.is_none() || talker.listener != listener);
    for talker in talkers.iter().filter(heard) {
        sounds = true;
        for (sum, sample) in sum.iter_mut().zip(talker.sound) {
            *sum = [sum[0] + sample[0], sum[1] + sample[1]];
        }
    }
    (sum, sounds)
}
