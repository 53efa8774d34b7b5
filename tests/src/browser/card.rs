//! A source's card on the page: what it says, and what can be done there.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Browser, STATE_LIMIT};
use crate::{wait_for, wait_until};

/// What somebody can read of an element; none where it is empty.
const WORDS: &str = "return document.querySelector(arguments[0])?.innerText || null";

impl Browser {
    /// Waits until the card of `source` is in `state`.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_state(&self, source: &str, state: &str) -> Result<()> {
        self.wait(&format!("[data-source='{source}'][data-state='{state}']"))
    }

    /// Waits until the card of `source` says that the source itself is `waiting`, `live`, `idle` or `lost`.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_source_state(&self, source: &str, state: &str) -> Result<()> {
        self.wait(&format!("[data-source='{source}'][data-source-state='{state}']"))
    }

    /// Waits until the talk button of `source` stands so: `off`, `asking`, `connecting`, `opening`, `muted`, `live`,
    /// `refused` or `failed`.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_talk(&self, source: &str, standing: &str) -> Result<()> {
        self.wait(&format!("[data-source='{source}'][data-talk='{standing}']"))
    }

    /// Waits until the card of `source` gives this reason why nobody hears what is said, and returns its words.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_talk_notice(&self, source: &str, name: &str) -> Result<String> {
        let selector = format!("[data-source='{source}'] [data-talk-notice='{name}']");
        self.wait(&selector)?;
        self.run("return document.querySelector(arguments[0]).innerText", vec![json!(selector)])
    }

    /// Clicks a button on the card of `source`: `listen`, `stop`, `mute`, `talk`, …
    ///
    /// # Errors
    /// As [`Self::click`].
    pub fn act(&self, source: &str, action: &str) -> Result<()> {
        self.click(&format!("[data-source='{source}'] [data-action='{action}']"))
    }

    /// Waits until the sound of `source` takes this way: `udp`, `tcp`, `turn-udp`, `turn-tcp`, `turn-tls` or `stream`.
    ///
    /// # Errors
    /// As [`Self::wait_within`].
    pub fn wait_way(&self, source: &str, way: &str, limit: Duration) -> Result<()> {
        self.wait_within(&format!("[data-source='{source}'][data-way='{way}']"), limit)
    }

    /// Waits until what is said into `source` takes this way, as for [`Self::wait_way`].
    ///
    /// # Errors
    /// As [`Self::wait_within`].
    pub fn wait_talk_way(&self, source: &str, way: &str, limit: Duration) -> Result<()> {
        self.wait_within(&format!("[data-source='{source}'][data-talk-way='{way}']"), limit)
    }

    /// Opens a page, clicks *Listen* on the card of `source`, and returns how long after the click it was heard.
    ///
    /// # Errors
    /// When it is not heard within a while.
    pub fn listen(&self, page: &str, source: &str) -> Result<Duration> {
        self.open(page)?;
        self.wait_state(source, "ready")?;
        self.act(source, "listen")?;
        self.first_sound()
    }

    /// Waits until the page says that WebRTC does not get through to `source`, and returns what its details say is missing.
    ///
    /// # Errors
    /// When it says nothing of it within a while.
    pub fn told_hint(&self, source: &str) -> Result<String> {
        let note = json!(format!("[data-source='{source}'] .note"));
        wait_until("words that lead to the details", STATE_LIMIT, || {
            let note: Option<String> = self.run(WORDS, vec![note.clone()])?;
            Ok(note.is_some_and(|note| note.contains("Details say why")))
        })?;
        self.detail(source, "[data-hint='media']")
    }

    /// Waits until the details of `source` name the way taken, and returns their words.
    ///
    /// # Errors
    /// As [`Self::told_hint`].
    pub fn told_way(&self, source: &str) -> Result<String> {
        self.detail(source, "[data-detail='way']")
    }

    /// Opens the details of a source, reads a part of them, and closes them.
    fn detail(&self, source: &str, part: &str) -> Result<String> {
        let part = format!("[data-source='{source}'] {part}");
        let summary = format!("[data-source='{source}'] .details > summary");
        self.click(&summary)?;
        let told = wait_for(&part, STATE_LIMIT, || self.run(WORDS, vec![json!(part)]))?;
        self.click(&summary)?;
        Ok(told)
    }
}
