use std::collections::HashSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::limiter::Limiter;
use super::room::{Room, Spoken};
use super::voice::{Voice, VoiceCounters};
use super::way::{Destination, Refusal, Way};
use super::{Leg, TICK, TalkConfig, TalkOutput, TalkPacket, TalkState, TalkStatus, TalkerStatus};
use crate::frame::{OpusFrame, SourceId};
use crate::mic::{MicFrame, TalkerId};
use crate::sample::{SILENCE, Sample};
use crate::session::SessionId;

/// How long a way stays open that nobody speaks into any more: who comes back at once finds it so.
const LINGER: Duration = Duration::from_secs(10);

/// Who hears nothing of itself, and is no talker: the container, among those whose sound listeners hear mixed.
const CONTAINER: TalkerId = TalkerId(0);

/// What is said into one source: its talkers, and where their sound goes.
#[derive(Debug)]
pub(crate) struct Path {
    source: SourceId,
    talkers: Vec<Member>,
    limiter: Limiter,
    way: Option<Way>,
    /// Since when there is no way, where there is none.
    wayless_since: Instant,
    /// What listeners hear, where they hear talkers.
    room: Option<Room>,
    /// What the container plays, where listeners hear it mixed.
    container: Option<Member>,
    deserted_since: Option<Instant>,
    sum: Box<[Sample; TICK]>,
}

/// One whose sound goes into the mix.
#[derive(Debug)]
struct Member {
    id: TalkerId,
    /// Its own session as a listener.
    listener: Option<SessionId>,
    voice: Voice,
    sound: Box<[Sample; TICK]>,
    sounds: bool,
}

impl Path {
    pub(crate) fn new(source: SourceId, now: Instant) -> Self {
        Self {
            source,
            talkers: Vec::new(),
            limiter: Limiter::new(),
            way: None,
            wayless_since: now,
            room: None,
            container: None,
            deserted_since: Some(now),
            sum: Box::new([SILENCE; TICK]),
        }
    }

    /// Follows what is said of the source.
    pub(crate) fn configure(
        &mut self,
        config: &TalkConfig,
        rng: &mut StdRng,
        now: Instant,
        out: &mut Vec<TalkPacket>,
    ) {
        self.set_destination(config, rng, now, out);
        self.room =
            self.room.take().filter(|room| config.is_mixed() && room.bitrate_bps() == config.bitrate_bps);
        if config.is_mixed() {
            let source = self.source.clone();
            self.room.get_or_insert_with(|| Room::new(source, config.bitrate_bps));
        }
        self.container =
            config.monitor.then(|| self.container.take().unwrap_or_else(|| Member::new(CONTAINER, None)));
    }

    pub(crate) fn join(&mut self, talker: TalkerId, listener: Option<SessionId>) {
        self.deserted_since = None;
        self.talkers.push(Member::new(talker, listener));
    }

    /// The talker no longer listens.
    pub(crate) fn deafen(&mut self, talker: TalkerId) {
        for member in self.talkers.iter_mut().filter(|member| member.id == talker) {
            member.listener = None;
        }
    }

    /// Returns what the talker's voice went through.
    pub(crate) fn leave(&mut self, talker: TalkerId, now: Instant) -> VoiceCounters {
        let mut left = VoiceCounters::default();
        for member in self.talkers.extract_if(.., |member| member.id == talker) {
            left += member.voice.counters();
        }
        if self.talkers.is_empty() && self.deserted_since.is_none() {
            self.deserted_since = Some(now);
        }
        left
    }

    /// What the voices of those who are here went through.
    pub(crate) fn counters(&self) -> VoiceCounters {
        let mut sum = VoiceCounters::default();
        self.talkers.iter().for_each(|member| sum += member.voice.counters());
        sum
    }

    pub(crate) fn hear(&mut self, frame: MicFrame) {
        if let Some(member) = self.talkers.iter_mut().find(|member| member.id == frame.talker) {
            member.voice.handle_frame(frame);
        }
    }

    /// Takes what the container plays.
    pub(crate) fn hear_container(&mut self, frame: &OpusFrame, now: Instant) {
        let Some(member) = &mut self.container else { return };
        let sequence = frame.time / u64::from(frame.samples.max(1));
        let data = frame.data.clone();
        member.voice.handle_frame(MicFrame {
            talker: CONTAINER,
            sequence,
            time: frame.time,
            received: now,
            data,
        });
    }

    /// Plays one tick: 10 ms, from `time` on in samples. `listeners` is how many listen to the source.
    pub(crate) fn tick(
        &mut self,
        time: u64,
        listeners: u32,
        rng: &mut StdRng,
        now: Instant,
        out: &mut TalkOutput,
    ) {
        for member in self.talkers.iter_mut().chain(&mut self.container) {
            member.sounds = member.voice.pull(now, &mut member.sound);
        }
        if let Some(way) = &mut self.way {
            self.sum.fill(SILENCE);
            for member in self.talkers.iter().filter(|member| member.sounds) {
                add(&mut self.sum, &member.sound);
            }
            self.limiter.process(&mut *self.sum);
            way.send(&self.sum, &self.source, rng, now, &mut out.packets);
        }
        if let Some(room) = &mut self.room {
            let spoken: Vec<Spoken<'_>> =
                self.talkers.iter().chain(&self.container).map(Member::spoken).collect();
            let own: HashSet<SessionId> = self.talkers.iter().filter_map(|member| member.listener).collect();
            room.tick(time, &spoken, listeners as usize > own.len(), &mut out.frames);
        }
    }

    pub(crate) fn refuse(&mut self, leg: Leg, refusal: Refusal, now: Instant) {
        if let Some(way) = &mut self.way {
            way.refuse(leg, refusal, now);
        }
    }

    /// Whether somebody is connected to talk.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.talkers.is_empty()
    }

    /// Whether nobody has spoken into it for so long that it may go.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.deserted_since.is_some_and(|since| now.saturating_duration_since(since) >= LINGER)
    }

    pub(crate) fn close(&self, out: &mut Vec<TalkPacket>) {
        if let Some(way) = &self.way {
            way.close(&self.source, out);
        }
    }

    pub(crate) fn status(&self, config: &TalkConfig, now: Instant) -> TalkStatus {
        let talkers: Vec<TalkerStatus> = self.talkers.iter().map(Member::status).collect();
        let (state, trouble) = match &self.way {
            _ if talkers.is_empty() => (TalkState::Closed, None),
            _ if config.room => (TalkState::Open, None),
            Some(way) if way.is_open() => (TalkState::Open, None),
            Some(way) => opening(way.trouble(now)),
            None => {
                let is_late = now.saturating_duration_since(self.wayless_since) >= Duration::from_secs(1);
                opening(is_late.then(|| "The container is gone; nobody knows its address.".to_owned()))
            }
        };
        TalkStatus { source: self.source.clone(), state, talkers, trouble }
    }

    fn set_destination(
        &mut self,
        config: &TalkConfig,
        rng: &mut StdRng,
        now: Instant,
        out: &mut Vec<TalkPacket>,
    ) {
        if self.way.as_ref().map(Way::destination) == config.destination {
            return;
        }
        self.close(out);
        if config.destination.is_none() {
            self.wayless_since = now;
        }
        let open = |to: Destination| Way::new(to, &config.title, rng, now);
        self.way = config.destination.map(open);
    }
}

impl Member {
    fn new(id: TalkerId, listener: Option<SessionId>) -> Self {
        Self { id, listener, voice: Voice::new(), sound: Box::new([SILENCE; TICK]), sounds: false }
    }

    fn spoken(&self) -> Spoken<'_> {
        Spoken { listener: self.listener, sound: &self.sound, sounds: self.sounds }
    }

    fn status(&self) -> TalkerStatus {
        TalkerStatus { id: self.id, speaking: self.voice.is_speaking() }
    }
}

fn opening(trouble: Option<String>) -> (TalkState, Option<String>) {
    match trouble {
        Some(trouble) => (TalkState::Refused, Some(trouble)),
        None => (TalkState::Opening, None),
    }
}

fn add(sum: &mut [Sample; TICK], sound: &[Sample; TICK]) {
    for (sum, sample) in sum.iter_mut().zip(sound) {
        *sum = [sum[0] + sample[0], sum[1] + sample[1]];
    }
}
