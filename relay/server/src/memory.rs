//! What containers announced, kept across restarts: a relay that is back knows their ports and names at once, not only
//! when they announce themselves again.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use soundport_core::{Announcement, AnnouncementKey};
use tracing::debug;

use crate::files;

/// The file in the folder of what the relay keeps.
const FILE: &str = "announced.json";

/// The file is written at most this often.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// An announcement as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    sender: IpAddr,
    session: u64,
    name: String,
    port: u16,
    group: Option<IpAddr>,
    payload_type: u8,
    ssrc: Option<u32>,
    format: String,
}

/// The file, and what it holds.
#[derive(Debug)]
pub(crate) struct Memory {
    file: PathBuf,
    held: Vec<Entry>,
    written: Option<Instant>,
}

impl Memory {
    /// What was kept in a folder; nothing where there is none.
    pub(crate) fn load(folder: &Path) -> Self {
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).ok();
        // What cannot be read is written anew soon.
        let held = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { file, held, written: None }
    }

    /// The announcements that were kept.
    pub(crate) fn announcements(&self) -> Vec<Announcement> {
        self.held.iter().filter_map(Entry::announcement).collect()
    }

    /// Keeps these in place of those before. False if that was done just now: then it is to be asked again.
    pub(crate) fn keep<'a>(
        &mut self,
        announcements: impl Iterator<Item = &'a Announcement>,
        now: Instant,
    ) -> bool {
        if self.written.is_some_and(|written| now < written + WRITE_EVERY) {
            return false;
        }
        let entries: Vec<Entry> = announcements.filter_map(Entry::of).collect();
        if entries == self.held {
            return true;
        }
        self.held = entries;
        self.written = Some(now);
        if let Err(error) = write(&self.file, &self.held) {
            debug!(file = %self.file.display(), %error, "What is announced will not be known after a restart");
        }
        true
    }
}

impl Entry {
    /// None where the stream cannot be heard anyway.
    fn of(announcement: &Announcement) -> Option<Self> {
        let Announcement { key, name, port, group, payload_type, ssrc, format } = announcement.clone();
        let AnnouncementKey { sender, session } = key;
        let format = format.ok()?.to_string();
        Some(Self { sender, session, name, port, group, payload_type, ssrc, format })
    }

    /// None where somebody wrote nonsense into the file.
    fn announcement(&self) -> Option<Announcement> {
        let Self { sender, session, name, port, group, payload_type, ssrc, format } = self.clone();
        let format = Ok(format.parse().ok()?);
        let key = AnnouncementKey { sender, session };
        let sound = !name.is_empty() && name.chars().count() <= 64 && payload_type < 128;
        sound.then_some(Announcement { key, name, port, group, payload_type, ssrc, format })
    }
}

fn write(file: &Path, entries: &[Entry]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    files::write(file, &serde_json::to_vec(entries)?, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_again() {
        let folder = std::env::temp_dir().join(format!("soundport-memory-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let desktop = Announcement {
            key: AnnouncementKey { sender: [10, 88, 0, 50].into(), session: u64::MAX },
            name: "desktop".into(),
            port: 46_010,
            group: None,
            payload_type: 127,
            ssrc: Some(7),
            format: Ok("L16/48000/2".parse().unwrap()),
        };
        let mut memory = Memory::load(&folder);
        assert!(memory.announcements().is_empty());
        assert!(memory.keep([&desktop].into_iter(), Instant::now()));
        assert!(!memory.keep([].into_iter(), Instant::now()), "written just now");
        assert_eq!(Memory::load(&folder).announcements(), [desktop]);
        fs::write(folder.join(FILE), "[{]").unwrap();
        assert!(Memory::load(&folder).announcements().is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }
}
