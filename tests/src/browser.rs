//! Chromium as a user has it: autoplay forbidden, real clicks, and an ear at the loudspeaker.

mod card;
mod doctor;
mod driver;
mod frame;
mod sound;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{By, WebDriver, WindowHandle};
use tokio::runtime::Runtime;

use self::driver::Driver;
pub use self::sound::{Inbound, Mark};
use crate::{AudioServer, Container, wait_for, wait_until};

const TAP: &str = include_str!("browser/tap.js");
const STATE_LIMIT: Duration = Duration::from_secs(15);

/// A browser with one tab; it is closed on drop.
#[derive(Debug)]
pub struct Browser {
    session: Option<WebDriver>,
    runtime: Runtime,
    driver: Driver,
}

/// How a browser is started.
#[derive(Debug, Default, Clone)]
pub struct BrowserOptions<'a> {
    /// What it hears.
    pub microphone: Microphone,
    /// Whose loudspeakers and microphones it has; else none but a fake one.
    pub server: Option<&'a AudioServer>,
    /// It runs in a container.
    pub inside: Option<&'a Container>,
    /// A name that it takes for this machine's, and for no secure one.
    pub known_as: Option<&'a str>,
}

/// What a browser has of a microphone.
#[derive(Debug, Default, Clone)]
pub enum Microphone {
    /// Whatever there is, and the person is asked: in a test, for ever.
    #[default]
    Unasked,
    /// One that plays this WAV file over and over; the person says yes.
    Wav(PathBuf),
    /// The same, and whether the person says yes is for [`Browser::permit`] to say.
    Asked(PathBuf),
    /// The person says no.
    Denied,
    /// Those of the audio server; the person says yes.
    Granted,
}

/// A tab of a [`Browser`].
#[derive(Debug, Clone, PartialEq)]
pub struct Tab(WindowHandle);

impl Browser {
    /// A fresh Chromium that records what it plays. The page's content policy is set aside for the recorder.
    ///
    /// # Errors
    /// When Chromium or its driver is missing or does not start.
    pub fn start() -> Result<Self> {
        Self::with(&BrowserOptions::default())
    }

    /// As [`Self::start`], as the options say.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn with(options: &BrowserOptions<'_>) -> Result<Self> {
        let browser = Self::plain_with(options)?;
        browser.tap()?;
        Ok(browser)
    }

    /// A fresh Chromium in which nothing was changed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn plain() -> Result<Self> {
        Self::plain_with(&BrowserOptions::default())
    }

    /// As [`Self::plain`], as the options say.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn plain_with(options: &BrowserOptions<'_>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let driver = Driver::start(options)?;
        let session = runtime.block_on(driver.session()).with_context(|| driver.log())?;
        Ok(Self { session: Some(session), runtime, driver })
    }

    /// Opens a tab in a window of its own and goes there.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn add_window(&self) -> Result<Tab> {
        let tab = self.runtime.block_on(async {
            let session = self.session()?;
            let tab = session.new_window().await?;
            session.switch_to_window(tab.clone()).await?;
            anyhow::Ok(Tab(tab))
        })?;
        self.tap()?;
        Ok(tab)
    }

    /// The tab that the browser is at.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn tab(&self) -> Result<Tab> {
        Ok(Tab(self.runtime.block_on(self.session()?.window())?))
    }

    /// Takes commands to another tab from now on.
    ///
    /// # Errors
    /// When it was closed.
    pub fn go_to(&self, tab: &Tab) -> Result<()> {
        Ok(self.runtime.block_on(self.session()?.switch_to_window(tab.0.clone()))?)
    }

    /// Minimises the tab's window: its page knows that nobody sees it.
    ///
    /// # Errors
    /// When the browser has gone, or the page still believes to be seen.
    pub fn hide(&self) -> Result<()> {
        self.set_window("minimized", "hidden")
    }

    /// Brings the tab's window back after [`Self::hide`].
    ///
    /// # Errors
    /// When the browser has gone, or the page still believes that nobody sees it.
    pub fn show(&self) -> Result<()> {
        self.set_window("normal", "visible")
    }

    /// Opens a page and waits until it is loaded, again where Chromium met a network in change.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn open(&self, url: &str) -> Result<()> {
        wait_for(url, STATE_LIMIT, || {
            self.runtime.block_on(self.session()?.goto(url))?;
            let loaded = self.run("return !document.documentURI.startsWith('chrome-error:')", vec![])?;
            Ok(Some(()).filter(|()| loaded))
        })
    }

    /// Sets the window's size in CSS pixels.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        Ok(self.runtime.block_on(self.session()?.set_window_rect(0, 0, width, height))?)
    }

    /// Clicks as a finger does: the element must be there, visible and uncovered.
    ///
    /// # Errors
    /// When there is no such element within a while, or it cannot be clicked.
    pub fn click(&self, selector: &str) -> Result<()> {
        wait_for(&format!("a click on {selector}"), STATE_LIMIT, || {
            self.runtime.block_on(async {
                self.session()?.find(By::Css(selector)).await?.click().await?;
                Ok(Some(()))
            })
        })
    }

    /// Presses keys where the focus is.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn press(&self, keys: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.session()?.action_chain().send_keys(keys).perform())?)
    }

    /// Waits until an element is there.
    ///
    /// # Errors
    /// When it is not within a while; the text holds the page's words.
    pub fn wait(&self, selector: &str) -> Result<()> {
        self.wait_within(selector, STATE_LIMIT)
    }

    /// As [`Self::wait`], with a limit of the caller's.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_within(&self, selector: &str, limit: Duration) -> Result<()> {
        wait_for(selector, limit, || {
            let found =
                self.run("return document.querySelector(arguments[0]) !== null", vec![json!(selector)])?;
            Ok(Some(()).filter(|()| found))
        })
        .with_context(|| self.run::<String>("return document.body.innerText", vec![]).unwrap_or_default())
    }

    /// Says whether pages may use the microphone: `granted`, `denied` or `prompt`.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn permit(&self, setting: &str) -> Result<()> {
        let permission = json!({ "permission": { "name": "microphone" }, "setting": setting });
        self.cdp("Browser.setPermission", permission).map(|_| ())
    }

    /// Runs a script in the page and takes what it returns.
    ///
    /// # Errors
    /// When it throws, or returns another shape.
    pub fn run<T: DeserializeOwned>(&self, script: &str, arguments: Vec<Value>) -> Result<T> {
        let returned = self.runtime.block_on(self.session()?.execute(script, arguments))?;
        Ok(serde_json::from_value(returned.json().clone())?)
    }

    /// Runs the body of an async function in the page and takes what it resolves to.
    ///
    /// # Errors
    /// When it throws, takes over a minute, or resolves to another shape.
    pub fn run_async<T: DeserializeOwned>(&self, body: &str, arguments: Vec<Value>) -> Result<T> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);
             (async (...arguments) => {{ {body} }})(...given)
               .then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"
        );
        let returned = self.runtime.block_on(self.session()?.execute_async(script, arguments))?;
        let returned = returned.json();
        ensure!(returned.get("error").is_none(), "the page threw {}", returned["error"]);
        Ok(serde_json::from_value(returned["value"].clone())?)
    }

    /// What axe-core finds serious or critical in the page as it stands, one line each.
    ///
    /// # Errors
    /// When `SOUNDPORT_AXE` names no axe-core.
    pub fn axe(&self) -> Result<Vec<String>> {
        let path =
            std::env::var_os("SOUNDPORT_AXE").context("SOUNDPORT_AXE is not set: run `cargo xtask test`")?;
        let axe =
            std::fs::read_to_string(&path).with_context(|| format!("Failed to read {}", path.display()))?;
        self.run::<Value>(&format!("{axe}; return null"), vec![])?;
        self.run_async(
            "const found = await axe.run();
             return found.violations.filter((rule) => ['serious', 'critical'].includes(rule.impact))
               .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html} (${node.failureSummary})`));",
            vec![],
        )
    }

    /// A picture of the window as PNG.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn screenshot(&self) -> Result<Vec<u8>> {
        Ok(self.runtime.block_on(self.session()?.screenshot_as_png())?)
    }

    /// Sends a command of the DevTools protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn cdp(&self, method: &str, parameters: Value) -> Result<Value> {
        Ok(self.runtime.block_on(self.session()?.cdp().send_raw(method, parameters))?)
    }

    /// Closes the tab as a user does, and with its last tab the browser.
    ///
    /// # Errors
    /// When it had gone before.
    pub fn close(mut self) -> Result<()> {
        let session = self.session.take().context("the browser has gone")?;
        self.runtime.block_on(async {
            session.close_window().await?;
            // The browser may end with its last tab; then there is nothing to quit.
            let _ = session.quit().await;
            Ok(())
        })
    }

    /// Kills the browser with all its processes: no page gets to say goodbye.
    pub fn kill(mut self) {
        self.driver.kill();
        // There is nobody left to be told.
        self.session.take().map(WebDriver::leak);
    }

    fn set_window(&self, state: &str, visibility: &str) -> Result<()> {
        let window = self.cdp("Browser.getWindowForTarget", json!({}))?;
        let bounds = json!({ "windowId": window["windowId"], "bounds": { "windowState": state } });
        self.cdp("Browser.setWindowBounds", bounds)?;
        wait_until(&format!("the page to be {visibility}"), STATE_LIMIT, || {
            self.run("return document.visibilityState === arguments[0]", vec![json!(visibility)])
        })
        .map(|_| ())
    }

    /// Has the tab record what its next page plays.
    fn tap(&self) -> Result<()> {
        self.cdp("Page.enable", json!({}))?;
        self.cdp("Page.setBypassCSP", json!({ "enabled": true }))?;
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": TAP })).map(|_| ())
    }

    fn session(&self) -> Result<&WebDriver> {
        self.session.as_ref().context("the browser has gone")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = self.runtime.block_on(session.quit());
        }
    }
}
