//! `[[source]]`: what the user says of single sources.

use soundport_core::{AudioFormat, FormatError, FrameLength};

use super::mistake::{Mistakes, Place, quote};
use super::table::{Given, Table};
use crate::options::{From, SourceEntry};

/// As many sources as the relay takes.
const MAX_SOURCES: usize = 256;

/// The longest id and the longest title, in characters.
const MAX_CHARS: usize = 64;

/// Ports that any user may open.
const PORTS: std::ops::RangeInclusive<i64> = 1024..=65_535;

/// A `[[source]]` as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    id: Option<Given<String>>,
    title: Option<Given<String>>,
    pub(crate) from: Option<Given<From>>,
    port: Option<Given<u16>>,
    format: Option<Given<AudioFormat>>,
    bitrate_bps: Option<Given<u32>>,
    frame: Option<Given<FrameLength>>,
    talk: Option<Given<bool>>,
    pub(crate) talk_to: Option<Given<From>>,
    monitor_talkers: Option<Given<bool>>,
    room: Option<Given<bool>>,
}

/// Reads all of them.
pub(crate) fn read(tables: Vec<Table>, mistakes: &mut Mistakes) -> Vec<Draft> {
    if let Some(beyond) = tables.get(MAX_SOURCES) {
        mistakes.add(beyond.place(), format!("is one too many; the relay takes {MAX_SOURCES} sources"));
    }
    tables.into_iter().take(MAX_SOURCES).map(|table| Draft::read(table, mistakes)).collect()
}

/// Finds what clashes: among the sources, and with the ports and the sources that the relay has itself.
pub(crate) fn compare(drafts: &[Draft], relay_ports: &[(u16, &Place)], demo: bool, mistakes: &mut Mistakes) {
    for (n, draft) in drafts.iter().enumerate() {
        draft.compare_with_relay(relay_ports, demo, mistakes);
        draft.compare_with_itself(mistakes);
        let before = &drafts[..n];
        draft.compare_ids(before, mistakes);
        draft.compare_senders(before, mistakes);
    }
}

impl Draft {
    fn read(mut table: Table, mistakes: &mut Mistakes) -> Self {
        let draft = Self {
            id: table.text("id", "\"desktop\"", mistakes, id),
            title: table.text("title", "\"Desktop\"", mistakes, title),
            from: table.text("from", "\"172.17.0.2\"", mistakes, str::parse),
            port: table.whole("port", "5006", mistakes, port),
            format: table.text("format", "\"L16/48000/2\"", mistakes, format),
            bitrate_bps: table.whole("bitrate", "128", mistakes, bitrate),
            frame: table.whole("frame", "10", mistakes, frame),
            talk: table.truth("talk", mistakes),
            talk_to: table.text("talk_to", "\"172.17.0.2\"", mistakes, str::parse),
            monitor_talkers: table.truth("monitor_talkers", mistakes),
            room: table.truth("room", mistakes),
        };
        if !table.had("id") {
            mistakes.add(table.place(), "lacks an id; write one, such as id = \"desktop\"");
        }
        table.finish(mistakes);
        draft
    }

    /// What the relay makes of it; none while it has no id.
    pub(crate) fn entry(&self) -> Option<SourceEntry> {
        let id = self.id.as_ref()?.value.clone();
        Some(SourceEntry {
            title: self.title.as_ref().map_or_else(|| id.clone(), |title| title.value.clone()),
            id,
            from: self.from.as_ref().map(|from| from.value.clone()),
            port: self.port.as_ref().map(|port| port.value),
            format: self.format.as_ref().map(|format| format.value),
            bitrate_bps: self.bitrate_bps.as_ref().map(|bitrate| bitrate.value),
            frame: self.frame.as_ref().map(|frame| frame.value),
            talk: self.talk.as_ref().map(|talk| talk.value),
            talk_to: self.talk_to.as_ref().map(|to| to.value.clone()),
            monitor_talkers: is_on(self.monitor_talkers.as_ref()),
            room: is_on(self.room.as_ref()),
        })
    }

    fn compare_with_relay(&self, relay_ports: &[(u16, &Place)], demo: bool, mistakes: &mut Mistakes) {
        if let Some(Given { value, place }) = &self.id {
            let taken = match value.as_str() {
                "demo" if demo => {
                    "is the demo source's while demo is on; choose another id, or switch demo off"
                }
                "echo" => "is kept for the echo source; choose another id",
                _ => "",
            };
            if !taken.is_empty() {
                mistakes.add(place, format!("{} {taken}", quote(value)));
            }
        }
        if let Some(Given { value: port, place }) = &self.port
            && let Some((_, taken)) = relay_ports.iter().find(|(taken, _)| taken == port)
        {
            let taken = taken.in_passing();
            mistakes
                .add(place, format!("{port} is the relay's own ({taken}); choose another, or leave it out"));
        }
    }

    /// Finds what contradicts itself.
    fn compare_with_itself(&self, mistakes: &mut Mistakes) {
        if is_on(self.room.as_ref()) {
            let of_containers = [
                self.from.as_ref().map(|given| &given.place),
                self.port.as_ref().map(|given| &given.place),
                self.format.as_ref().map(|given| &given.place),
                self.talk_to.as_ref().map(|given| &given.place),
                self.monitor_talkers.as_ref().map(|given| &given.place),
            ];
            for place in of_containers.into_iter().flatten() {
                mistakes.add(place, "is of no use to a room, which has no container; leave it out");
            }
            if let Some(frame) = &self.frame {
                mistakes.add(&frame.place, "is of no use to a room, whose frames hold 10 ms; leave it out");
            }
            if let Some(talk) = self.talk.as_ref().filter(|talk| !talk.value) {
                mistakes.add(&talk.place, "would leave nothing of a room; leave it out");
            }
        } else if self.talk.as_ref().is_some_and(|talk| !talk.value) {
            let of_talk = [
                self.talk_to.as_ref().map(|given| &given.place),
                self.monitor_talkers.as_ref().map(|given| &given.place),
            ];
            for place in of_talk.into_iter().flatten() {
                mistakes.add(place, "is of no use where nobody may talk; leave it out, or write talk = true");
            }
        }
    }

    fn compare_ids(&self, before: &[Self], mistakes: &mut Mistakes) {
        let Some(Given { value, place }) = &self.id else { return };
        let twin = before.iter().filter_map(|other| other.id.as_ref()).find(|id| id.value == *value);
        if let Some(twin) = twin {
            let twin = twin.place.in_passing();
            mistakes.add(place, format!("{} is taken by {twin}; choose another", quote(value)));
        }
    }

    fn compare_senders(&self, before: &[Self], mistakes: &mut Mistakes) {
        let port = self.port.as_ref().map(|port| port.value);
        let same_port = before.iter().filter(|other| other.port.as_ref().map(|port| port.value) == port);
        for other in same_port {
            match (&self.from, &other.from, &self.port, &other.port) {
                (Some(from), Some(twin), ..) if from.value == twin.value => {
                    let (quoted, twin) = (quote(&from.value.to_string()), twin.place.in_passing());
                    mistakes.add(
                        &from.place,
                        format!("{quoted} is also {twin}; remove one, or give each a port of its own"),
                    );
                    return;
                }
                (Some(_), Some(_), ..) => {}
                (_, _, Some(port), Some(twin)) => {
                    let (number, twin) = (port.value, twin.place.in_passing());
                    mistakes.add(
                        &port.place,
                        format!(
                            "{number} is also {twin}; choose another, or say from whom each comes (from)"
                        ),
                    );
                    return;
                }
                _ => {}
            }
        }
    }
}

fn is_on(given: Option<&Given<bool>>) -> bool {
    given.is_some_and(|given| given.value)
}

fn id(text: &str) -> Result<String, String> {
    let is_slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let at_edge = text.starts_with('-') || text.ends_with('-');
    if (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(is_slug) && !at_edge {
        return Ok(text.to_owned());
    }
    Err(format!("is not an id; write lower-case letters, digits and - between them, at most {MAX_CHARS}"))
}

fn title(text: &str) -> Result<String, String> {
    let length = text.trim().chars().count();
    if (1..=MAX_CHARS).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text.trim().to_owned());
    }
    Err(format!("is not a title; write 1 to {MAX_CHARS} characters on one line"))
}

fn port(number: i64) -> Result<u16, String> {
    let port = u16::try_from(number).ok().filter(|_| PORTS.contains(&number));
    port.ok_or_else(|| format!("is not a port for a source; write {} to {}", PORTS.start(), PORTS.end()))
}

fn format(text: &str) -> Result<AudioFormat, String> {
    text.parse().map_err(|error| match error {
        FormatError::Shape(_) => {
            "is not a format; write ENCODING/RATE/CHANNELS, such as L16/48000/2".to_owned()
        }
        other => format!("is not a format that is read; {other}"),
    })
}

/// Reads kilobits per second, and returns bits.
pub(crate) fn bitrate(kbps: i64) -> Result<u32, String> {
    let kbps = u32::try_from(kbps).ok().filter(|kbps| (16..=510).contains(kbps));
    kbps.map(|kbps| kbps * 1000).ok_or_else(|| "is out of range; write 16 to 510 (kb/s)".to_owned())
}

pub(crate) fn frame(millis: i64) -> Result<FrameLength, String> {
    match millis {
        5 => Ok(FrameLength::Ms5),
        10 => Ok(FrameLength::Ms10),
        20 => Ok(FrameLength::Ms20),
        _ => Err("is not an Opus frame length; write 5, 10 or 20 (ms)".to_owned()),
    }
}
