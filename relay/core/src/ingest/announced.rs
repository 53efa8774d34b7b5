//! Sources that announce themselves. The name is what a source is known by: a container that comes back under it, with
//! whatever address, is the same source.

use std::time::{Duration, Instant};

use super::probation::StreamKey;
use super::sound::Outlet;
use super::source::{Origin, Source};
use super::{Ingest, RtpPort, TAKEN_OVER_AFTER, naming};
use crate::announcement::{Announcement, AnnouncementKey};
use crate::frame::SourceId;

/// A container that lives announces itself within this time: PulseAudio and PipeWire do so every five seconds.
const ALIVE_WITHIN: Duration = Duration::from_secs(6);

/// How many announcements may wait until it is clear whose name it is.
const MAX_PENDING: usize = 64;

/// Why an announcement no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Its sender took it back.
    Goodbye,
    /// It was not repeated.
    Expired,
}

/// An announcement whose name belongs to a source already, whose holder may be alive or have been restarted as this one.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) announcement: Announcement,
    since: Instant,
}

impl Pending {
    /// When it is clear that the name's holder is gone.
    pub(super) fn deadline(&self) -> Instant {
        self.since + ALIVE_WITHIN
    }
}

/// Where an announcement belongs.
enum Place {
    Source(usize),
    /// It is open yet.
    Open,
    New,
}

impl Ingest {
    /// A container announces a stream of its sound, for the first time or again.
    pub fn announce(&mut self, announcement: Announcement, now: Instant) {
        let key = announcement.key;
        if let Some(index) = self.sources.iter().position(|source| holds(source, key)) {
            return self.attach(index, announcement, now);
        }
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.announcement.key == key) {
            pending.announcement = announcement;
            return self.settle_pending(now);
        }
        match self.place_of(&announcement, now) {
            Place::Source(index) => self.attach(index, announcement, now),
            Place::New => self.introduce(announcement, now),
            // Its packets came first, so it is clear already who lives.
            Place::Open if self.is_played(&announcement, now) => {
                match self.silent_namesake(&announcement, now) {
                    Some(index) => self.attach(index, announcement, now),
                    None => self.introduce(announcement, now),
                }
            }
            Place::Open if self.pending.len() < MAX_PENDING => {
                self.pending.push(Pending { announcement, since: now });
                self.revision += 1;
            }
            Place::Open => self.counters.refused += 1,
        }
    }

    /// A stream is no longer announced.
    pub fn withdraw(&mut self, key: AnnouncementKey, farewell: Farewell, now: Instant) {
        self.pending.retain(|pending| pending.announcement.key != key);
        if let Some(source) = self.sources.iter_mut().find(|source| holds(source, key)) {
            tracing::info!(source = %source.id, ?farewell, "no longer announced");
            source.withdraw(farewell, now);
            (source.port_trouble, source.trouble_ahead) = (None, None);
        }
        // What never sent anything is not missed.
        self.sources
            .retain(|source| source.heard.is_some() || source.announced.is_some() || source.is_kept());
        self.revision += 1;
    }

    /// Decides for announcements that waited whether their name's holder lives.
    pub(super) fn settle_pending(&mut self, now: Instant) {
        let due = |pending: &Pending, sources: &[Source]| {
            let lives = sources.iter().any(|source| {
                source.announced.as_ref().is_some_and(|heard| {
                    heard.announcement.name == pending.announcement.name && heard.at > pending.since
                })
            });
            lives || pending.deadline() <= now
        };
        while let Some(index) = self.pending.iter().position(|pending| due(pending, &self.sources)) {
            let Pending { announcement, since } = self.pending.remove(index);
            match self.vacant(&announcement, Some(since), now) {
                Some(index) => self.attach(index, announcement, now),
                None => self.introduce(announcement, now),
            }
        }
    }

    /// Packets of a stream have come, first at `since`. If its announcement waits, it is decided whose they are: a silent
    /// holder of the name was restarted as this one, and one that goes on sending is another. False while that is open.
    pub(super) fn claim_pending(&mut self, key: StreamKey, since: Instant, now: Instant) -> bool {
        let announces = |pending: &Pending| {
            let announcement = &pending.announcement;
            announcement.key.sender == key.from.ip() && announcement.port == key.to.0
        };
        let Some(index) = self.pending.iter().position(announces) else {
            return true;
        };
        let namesake = self.silent_namesake(&self.pending[index].announcement, now);
        if namesake.is_none() && now.saturating_duration_since(since) <= TAKEN_OVER_AFTER {
            return false;
        }
        let Pending { announcement, .. } = self.pending.remove(index);
        match namesake {
            Some(index) => self.attach(index, announcement, now),
            None => self.introduce(announcement, now),
        }
        true
    }

    /// Hands announcements and streams to those whose they are by now: the configuration may have changed its mind.
    pub(super) fn settle_claims(&mut self, now: Instant) {
        while let Some((to, from)) = self.misplaced_announcement() {
            let Some(heard) = self.sources[from].announced.take() else { break };
            let former = self.sources[from].id.clone();
            self.attach(to, heard.announcement, now);
            self.sources.retain(|source| source.id != former || source.listeners > 0);
        }
        let keys = self.sources.iter().enumerate().filter_map(|(index, source)| Some((index, source.key?)));
        let lost: Vec<usize> = keys
            .filter(|(index, key)| {
                let best = self.sources.iter().filter_map(|source| source.claim(*key)).max();
                best > self.sources[*index].claim(*key)
            })
            .map(|(index, _)| index)
            .collect();
        for index in lost {
            self.sources[index].key = None;
        }
        self.sources
            .retain(|source| source.key.is_some() || source.listeners > 0 || !source.is_mere_sender());
    }

    /// An announcement that the configuration means for a source, and who holds it instead.
    fn misplaced_announcement(&self) -> Option<(usize, usize)> {
        let configured = self.sources.iter().enumerate().filter(|(_, source)| {
            matches!(source.origin, Origin::Configured(_)) && source.announced.is_none()
        });
        configured.into_iter().find_map(|(to, own)| {
            let from = self.sources.iter().position(|other| {
                let held = other.announced.as_ref().filter(|_| !other.is_asked_for());
                held.is_some_and(|heard| is_meant(own, &heard.announcement))
            })?;
            Some((to, from))
        })
    }

    fn place_of(&self, announcement: &Announcement, now: Instant) -> Place {
        let free = |source: &Source| {
            let silent = source.silent_for(TAKEN_OVER_AFTER, now) && is_stale(source, now);
            is_meant(source, announcement) && (source.announced.is_none() || silent)
        };
        let placed = self.sources.iter().position(free).or_else(|| self.vacant(announcement, None, now));
        if let Some(index) = placed {
            return Place::Source(index);
        }
        if self.sources.iter().any(|source| is_namesake(source, announcement)) {
            return Place::Open;
        }
        // Whoever listens to a sender that announces itself only now goes on listening to it.
        let is_heard = |source: &Source| {
            let found = matches!(source.origin, Origin::Found(_)) && source.name.is_none();
            found && source.listeners > 0 && receives(source, announcement)
        };
        self.sources.iter().position(is_heard).map_or(Place::New, Place::Source)
    }

    /// A source of that name whose holder is gone. With `since`, whoever was not announced after that is.
    fn vacant(&self, announcement: &Announcement, since: Option<Instant>, now: Instant) -> Option<usize> {
        let silent = |source: &Source| source.silent_for(TAKEN_OVER_AFTER, now);
        let gone = |source: &Source| match (&source.announced, since) {
            (None, _) => source.said_goodbye() || silent(source),
            (Some(heard), Some(since)) => heard.at <= since && silent(source),
            (Some(_), None) => is_stale(source, now) && silent(source),
        };
        self.sources.iter().position(|source| is_namesake(source, announcement) && gone(source))
    }

    /// Whether its packets come already, and made a source of their own.
    fn is_played(&self, announcement: &Announcement, now: Instant) -> bool {
        let played = |source: &&Source| source.is_mere_sender() && receives(source, announcement);
        self.sources.iter().find(played).is_some_and(|source| !source.silent_for(TAKEN_OVER_AFTER, now))
    }

    fn silent_namesake(&self, announcement: &Announcement, now: Instant) -> Option<usize> {
        self.sources
            .iter()
            .position(|source| is_namesake(source, announcement) && source.silent_for(TAKEN_OVER_AFTER, now))
    }

    fn introduce(&mut self, announcement: Announcement, now: Instant) {
        if !self.make_room(now) {
            return;
        }
        let sender = announcement.key.sender;
        let slug = Some(naming::slug(&announcement.name)).filter(|slug| !slug.is_empty());
        let (id, number) = self.free_id(&slug.unwrap_or_else(|| naming::slug_of_address(sender)));
        tracing::info!(source = %id, from = %sender, "announced");
        let mut source = Source::new(id, String::new(), Origin::Announced, self.config.encode, now);
        source.number = number;
        let index = self.add(source);
        self.attach(index, announcement, now);
    }

    fn attach(&mut self, index: usize, announcement: Announcement, now: Instant) {
        let trouble = self.trouble_of(&announcement);
        let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
        let source = &mut self.sources[index];
        let is_new = !holds(source, announcement.key);
        let changed = source.announce(announcement.clone(), now, &mut out);
        let troubled = std::mem::replace(&mut source.trouble_ahead, trouble) != source.trouble_ahead;
        self.revision += u64::from(changed || troubled);
        if is_new {
            let id = source.id.clone();
            self.release(&id, &announcement);
        }
    }

    /// The packets of what is announced now may have made a source of their own before: it gives way to `owner`.
    fn release(&mut self, owner: &SourceId, announcement: &Announcement) {
        let gives_way = |source: &Source| {
            source.is_mere_sender() && source.id != *owner && receives(source, announcement)
        };
        self.sources.retain(|source| source.listeners > 0 || !gives_way(source));
        for source in self.sources.iter_mut().filter(|source| gives_way(source)) {
            source.key = None;
        }
    }
}

fn holds(source: &Source, key: AnnouncementKey) -> bool {
    source.announced.as_ref().is_some_and(|heard| heard.announcement.key == key)
}

/// Whether its holder has not announced it for longer than one that lives.
fn is_stale(source: &Source, now: Instant) -> bool {
    let age = source.announced.as_ref().map(|heard| now.saturating_duration_since(heard.at));
    age.is_none_or(|age| age > ALIVE_WITHIN)
}

/// Whether it has this name, and may be had by this sender.
fn is_namesake(source: &Source, announcement: &Announcement) -> bool {
    let may = match &source.origin {
        Origin::Configured(_) => is_meant(source, announcement),
        Origin::Pinned(_) => false,
        Origin::Announced | Origin::Found(_) => true,
    };
    may && source.name.as_ref() == Some(&announcement.name)
}

/// Whether the configuration means it.
fn is_meant(source: &Source, announcement: &Announcement) -> bool {
    let Origin::Configured(config) = &source.origin else {
        return false;
    };
    let slug = naming::slug(&announcement.name);
    config.means(announcement.key.sender, RtpPort(announcement.port), &slug)
}

/// Whether the packets that it plays are those announced.
fn receives(source: &Source, announcement: &Announcement) -> bool {
    source.key.is_some_and(|key| {
        key.from.ip() == announcement.key.sender
            && key.to.0 == announcement.port
            && announcement.ssrc.is_none_or(|ssrc| ssrc == key.ssrc)
    })
}
