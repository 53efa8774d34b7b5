//! What the page plays, as the loudspeaker gets it.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Browser, STATE_LIMIT};
use crate::{Recording, wait_for, wait_until};

/// A block of the audio graph, in frames (Web Audio, section 2.4).
const BLOCK_FRAMES: usize = 128;
/// From this sample value on it is sound.
const AUDIBLE: f32 = 0.02;

/// What the page says, and how its cards and sessions stand.
const STANDING: &str = "return [...document.querySelectorAll('[data-source]')].map((card) => JSON.stringify(card.dataset)).join() \
    + ' ' + window.soundportTap.peers.map((peer) => peer.connectionState).join() + ' ' + document.body.innerText";

/// A moment in what a page plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// What the page's newest session received, from `getStats`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inbound {
    /// RTP packets.
    pub packets_received: u64,
    /// Frames of sound that went to the loudspeaker.
    pub total_samples_received: u64,
    /// Of these, frames that were made up.
    pub concealed_samples: u64,
    /// Of these, frames that were made up as silence.
    pub silent_concealed_samples: u64,
}

#[derive(Debug, Deserialize)]
struct Tapped {
    rate: u32,
    error: Option<String>,
    times: Vec<f64>,
    samples: String,
}

impl Browser {
    /// What the page plays from now on, for `length`: behind its volume, as it goes to the loudspeaker.
    ///
    /// # Errors
    /// When it played nothing at all, not even silence.
    pub fn record(&self, length: Duration) -> Result<Recording> {
        Ok(self.record_timed(length)?.0)
    }

    /// As [`Self::record`], with the time at which each block of 128 frames came into the audio graph.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn record_timed(&self, length: Duration) -> Result<(Recording, Vec<SystemTime>)> {
        let seconds = vec![json!(length.as_secs_f64())];
        self.run_async::<Tapped>("return await window.soundportTap.record(arguments[0])", seconds)?.read()
    }

    /// This moment, to ask later for what was played [`since`](Self::since): at most a minute.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark(self.run("return window.soundportTap.mark()", vec![])?))
    }

    /// What the page has played since a moment.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn since(&self, mark: Mark) -> Result<Recording> {
        let mark = vec![json!(mark.0)];
        let tapped: Tapped = self.run_async("return await window.soundportTap.since(arguments[0])", mark)?;
        Ok(tapped.read()?.0)
    }

    /// How long after the latest click the first sound came.
    ///
    /// # Errors
    /// When none comes within a while.
    pub fn first_sound(&self) -> Result<Duration> {
        let level = vec![json!(AUDIBLE)];
        let ms = wait_for("the first sound", STATE_LIMIT, || {
            self.run::<Option<f64>>("return window.soundportTap.firstSound(arguments[0])", level.clone())
        })?;
        Ok(Duration::from_secs_f64(ms / 1000.0))
    }

    /// Waits until the page plays something that can be heard.
    ///
    /// # Errors
    /// When it does not within a while.
    pub fn wait_sound(&self) -> Result<()> {
        wait_for("sound from the page", STATE_LIMIT, || {
            let heard = self.record(Duration::from_millis(100))?;
            Ok((heard.rms(0).max(heard.rms(1)) > 0.003).then_some(()))
        })
    }

    /// Waits until the test tone is heard in both ears, at most `limit`, and returns how long that took.
    ///
    /// # Errors
    /// When it is not.
    pub fn wait_tone(&self, limit: Duration) -> Result<Duration> {
        wait_until("the tone from the page", limit, || {
            let heard = self.record(Duration::from_millis(50))?;
            Ok(heard.rms(0).min(heard.rms(1)) > 0.2)
        })
        .with_context(|| self.run::<String>("return document.body.innerText", vec![]).unwrap_or_default())
    }

    /// Records for two seconds, and checks that the test tone is in both ears in the second one.
    ///
    /// # Errors
    /// As [`Recording::check_ears`], with how loud each tenth of a second was and what the page says meanwhile.
    pub fn check_ears(&self) -> Result<()> {
        let heard = self.record(Duration::from_secs(2))?;
        heard.part(1.0, 1.0).check_ears().with_context(|| {
            let tenths =
                (0..20).map(|tenth| format!("{:.2}", heard.part(f64::from(tenth) / 10.0, 0.1).rms(0)));
            let page: Result<String> = self.run(STANDING, vec![]);
            format!(
                "by tenths of a second: {}; {}",
                tenths.collect::<Vec<_>>().join(" "),
                page.unwrap_or_default()
            )
        })
    }

    /// Waits until the page plays nothing that can be heard.
    ///
    /// # Errors
    /// When it still does after a while.
    pub fn wait_silence(&self) -> Result<()> {
        wait_until("silence from the page", STATE_LIMIT, || {
            let heard = self.record(Duration::from_millis(200))?;
            Ok(heard.rms(0).max(heard.rms(1)) < 0.003)
        })
        .map(|_| ())
    }

    /// The statistics of the newest connected session, if there is one.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn inbound(&self) -> Result<Option<Inbound>> {
        self.run_async("return await window.soundportTap.inbound()", vec![])
    }
}

impl Tapped {
    fn read(self) -> Result<(Recording, Vec<SystemTime>)> {
        ensure!(self.error.is_none(), "the recorder failed: {:?}", self.error);
        ensure!(!self.times.is_empty(), "the page sent nothing to the loudspeaker");
        let bytes = STANDARD.decode(&self.samples)?;
        let sample = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let frames: Vec<[f32; 2]> =
            bytes.chunks_exact(8).map(|frame| [sample(frame), sample(&frame[4..])]).collect();
        ensure!(frames.len() == self.times.len() * BLOCK_FRAMES, "the recorder lost its count");
        let times = self.times.iter().map(|ms| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(ms / 1000.0));
        Ok((Recording { rate: self.rate, frames }, times.collect()))
    }
}
