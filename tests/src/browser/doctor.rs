//! The doctor's panel on a card.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::Browser;
use crate::report;

const LIMIT: Duration = Duration::from_secs(20);

impl Browser {
    /// Opens the details of a source, and the panel in them, unless it opened by itself.
    ///
    /// # Errors
    /// As [`Self::click`] and [`Self::wait`].
    pub fn ask_why(&self, source: &str) -> Result<()> {
        self.click(&format!("[data-source='{source}'] .details > summary"))?;
        let button = format!("[data-source='{source}'] [data-action='doctor']");
        self.wait(&button)?;
        let shown = "return document.querySelector(arguments[0]).getAttribute('aria-expanded') === 'true'";
        if !self.run::<bool>(shown, vec![json!(button)])? {
            self.click(&button)?;
        }
        Ok(())
    }

    /// Waits until the panel of `source` finds this `well`, `unknown` or a `trouble`, and returns its words.
    ///
    /// # Errors
    /// As [`Self::wait_within`].
    pub fn finding(&self, source: &str, check: &str, verdict: &str) -> Result<String> {
        let item = format!(
            "[data-source='{source}'] [data-doctor] [data-check='{check}'][data-verdict='{verdict}']"
        );
        self.wait_within(&item, LIMIT)?;
        self.words_of(&item)
    }

    /// Waits until the panel of `source` names this trouble with a remedy, and returns its words.
    ///
    /// # Errors
    /// As [`Self::wait_within`].
    pub fn trouble(&self, source: &str, check: &str) -> Result<String> {
        let item = found(source, check, "trouble");
        self.wait_within(&format!("{item} .remedy"), LIMIT)?;
        let told = self.words_of(&item)?;
        report(&format!("{check}: {}", told.replace('\n', " ")));
        Ok(told)
    }

    fn words_of(&self, selector: &str) -> Result<String> {
        self.run("return document.querySelector(arguments[0]).innerText", vec![json!(selector)])
    }
}

fn found(source: &str, check: &str, verdict: &str) -> String {
    format!("[data-source='{source}'] [data-doctor] [data-check='{check}'][data-verdict='{verdict}']")
}
