use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::{Process, Recording, wait_for, wait_until};

const RATE: u32 = 48_000;
const FRAME_BYTES: u64 = 4;
const LOOK: Duration = Duration::from_millis(100);
const PACE_LIMIT: Duration = Duration::from_secs(20);

/// A program that writes what it hears to its output, as 16-bit stereo at 48 kHz. It is killed on drop.
#[derive(Debug)]
pub struct Recorder {
    process: Process,
    file: NamedTempFile,
}

impl Recorder {
    /// Starts the program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let file = NamedTempFile::new()?;
        let process = Process::start_into(name, command, file.reopen()?)?;
        Ok(Self { process, file })
    }

    /// Frames heard so far.
    pub fn frames(&self) -> u64 {
        self.file.as_file().metadata().map_or(0, |data| data.len() / FRAME_BYTES)
    }

    /// Waits until it hears as time goes by: a server's first block may be seconds long.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_pace(&self) -> Result<()> {
        let allowed = u64::from(RATE) / 20..u64::from(RATE) * 3 / 20;
        let mut last = self.frames();
        let mut even = 0;
        wait_until("the recorder to keep pace", PACE_LIMIT, || {
            std::thread::sleep(LOOK);
            let now = self.frames();
            even = if allowed.contains(&(now - last)) { even + 1 } else { 0 };
            last = now;
            Ok(even >= 5)
        })
        .with_context(|| self.process.stderr())
        .map(|_| ())
    }

    /// What it hears from now on, for `length`.
    ///
    /// # Errors
    /// When it does not hear so much.
    pub fn hear(&self, length: Duration) -> Result<Recording> {
        self.since(self.frames(), length)
    }

    /// What it hears from the frame `first` on, for `length`, once it has.
    ///
    /// # Errors
    /// When it does not hear so much.
    pub fn since(&self, first: u64, length: Duration) -> Result<Recording> {
        let wanted = (length.as_secs_f64() * f64::from(RATE)) as u64;
        wait_for(
            "the recording",
            length + PACE_LIMIT,
            || Ok((self.frames() >= first + wanted).then_some(())),
        )
        .with_context(|| {
            format!("{} frames of {wanted} came: {}", self.frames() - first, self.process.stderr())
        })?;
        let mut file = File::open(self.file.path())?;
        file.seek(SeekFrom::Start(first * FRAME_BYTES))?;
        let mut bytes = Vec::new();
        file.take(wanted * FRAME_BYTES).read_to_end(&mut bytes)?;
        Ok(Recording::of_16_bits(RATE, &bytes))
    }

    /// Waits until a tone is heard in a channel with at least that amplitude, at most `limit`.
    ///
    /// # Errors
    /// When it is not.
    pub fn wait_tone(&self, channel: usize, hz: f64, amplitude: f64, limit: Duration) -> Result<Duration> {
        let mut last = 0.0;
        wait_until(&format!("{hz} Hz at the recorder"), limit, || {
            last = self.latest()?.amplitude(channel, hz);
            Ok(last >= amplitude)
        })
        .with_context(|| format!("at last its amplitude was {last:.3}; {}", self.process.stderr()))
    }

    /// Waits until nothing is heard, at most `limit`.
    ///
    /// # Errors
    /// When something still is.
    pub fn wait_silence(&self, limit: Duration) -> Result<Duration> {
        wait_until("silence at the recorder", limit, || {
            let latest = self.latest()?;
            Ok(latest.rms(0).max(latest.rms(1)) < 0.003)
        })
    }

    /// The newest fifth of a second.
    fn latest(&self) -> Result<Recording> {
        let count = u64::from(RATE) / 5;
        self.since(self.frames().saturating_sub(count), Duration::from_millis(200))
    }
}
