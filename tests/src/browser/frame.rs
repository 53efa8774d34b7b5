//! Frames within a page.

use anyhow::{Context, Result};
use serde_json::json;

use super::{Browser, STATE_LIMIT};
use crate::wait_for;

/// The frame of the nth control that `embed.js` put into a page.
const CONTROL: &str =
    "return document.querySelectorAll('soundport-control')[arguments[0]]?.shadowRoot.querySelector('iframe')";

impl Browser {
    /// Does something in the frame of the page's nth control, and comes back to the page.
    ///
    /// # Errors
    /// When there is no such control, or as `work`.
    pub fn in_control<T>(&self, nth: usize, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        wait_for(&format!("control {nth}"), STATE_LIMIT, || {
            self.runtime.block_on(async {
                let frame = self.session()?.execute(CONTROL, vec![json!(nth)]).await?.element()?;
                frame.enter_frame().await?;
                Ok(Some(()))
            })
        })?;
        let done = work(self);
        self.runtime.block_on(self.session()?.enter_default_frame()).context("the page has gone")?;
        done
    }
}
