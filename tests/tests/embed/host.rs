//! The page around a control: what it is told, and what it can do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use soundport_tests::{Browser, Vnc, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

/// Keeps what the page is told from its beginning.
const KEEP: &str = "window.kept = [];
    for (const name of ['ready', 'state', 'trouble', 'remove']) {
      document.addEventListener(`soundport:${name}`, ({ type, detail: { control, ...rest } }) => window.kept.push({ type, ...rest }));
    }
    window.control = () => window.soundport.controls[0];";

/// What a control says stands in the way.
#[derive(Debug, Deserialize)]
pub(super) struct Trouble {
    /// What it is, in words for people.
    pub(super) words: String,
}

/// Somebody else's page in a browser, with a control of ours.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    browser: &'a Browser,
}

/// Somebody else's page with these lines.
pub(super) fn page(lines: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Desk</title>
         <main><h1>Desk</h1><button id=\"beside\">Beside</button></main>{lines}</html>"
    )
}

impl<'a> Guest<'a> {
    /// Opens the page, and keeps what it is told.
    pub(super) fn open(browser: &'a Browser, url: &str) -> Result<Self> {
        browser.cdp("Page.enable", json!({}))?;
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": KEEP }))?;
        let page = Self { browser };
        page.visit(url)?;
        Ok(page)
    }

    /// Goes to another page with the one line, again where Chromium met a network in change while it fetched the script.
    pub(super) fn visit(&self, url: &str) -> Result<()> {
        wait_for("the page with our script", LIMIT, || {
            self.browser.open(url)?;
            Ok(self.run::<bool>("typeof soundport === 'object'")?.then_some(()))
        })
    }

    /// Runs an expression in the page, and waits for what it promises.
    pub(super) fn run<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        self.browser.run_async(&format!("return (await ({expression})) ?? null"), vec![])
    }

    /// Waits until the page knows that its control stands so.
    pub(super) fn state(&self, state: &str) -> Result<()> {
        wait_until(&format!("the page to be told of {state}"), LIMIT, || {
            self.run(&format!("window.soundport?.controls[0]?.state === '{state}'"))
        })
        .map(|_| ())
        .with_context(|| self.run::<serde_json::Value>("window.kept").unwrap_or_default().to_string())
    }

    /// Waits until the page was told of this trouble by an event.
    pub(super) fn trouble(&self, name: &str) -> Result<Trouble> {
        let told = format!(
            "window.kept.findLast(({{ type, name }}) => type === 'soundport:trouble' && name === '{name}')"
        );
        wait_for(&format!("the page to be told of {name}"), LIMIT, || self.run::<Option<Trouble>>(&told))
            .with_context(|| self.run::<serde_json::Value>("window.kept").unwrap_or_default().to_string())
    }

    /// How often the page was told of it.
    pub(super) fn told(&self, event: &str) -> Result<usize> {
        self.run(&format!("window.kept.filter(({{ type }}) => type === '{event}').length"))
    }

    /// What somebody reads in the nth control.
    pub(super) fn words(&self, nth: usize) -> Result<String> {
        let said: String = self.run(&format!("soundport.controls[{nth}].words.innerText"))?;
        if !said.is_empty() {
            return Ok(said);
        }
        self.browser.in_control(nth, |frame| frame.run("return document.body.innerText", vec![]))
    }

    /// Waits until noVNC shows its desktop, gives it the keyboard, and returns how it is drawn: colours of some points.
    pub(super) fn desktop(&self, _: &Vnc) -> Result<Vec<u8>> {
        let drawn = "(() => {
            const canvas = document.querySelector('#screen canvas');
            if (!window.desktop?.connected || !canvas?.width) return [];
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return Array.from({ length: 64 }, (_, at) => data[Math.floor(data.length / 64 / 4) * 4 * at]);
        })()";
        wait_for("noVNC to draw its desktop", LIMIT, || {
            let drawn: Vec<u8> = self.run(drawn)?;
            Ok(Some(drawn).filter(|drawn| drawn.iter().any(|level| *level > 0)))
        })
    }

    /// Types the last of these letters where the keyboard is, and waits until the app on the desktop has got all of them.
    pub(super) fn types(&self, desktop: &Vnc, letters: &str) -> Result<()> {
        if letters.len() == 1 {
            // Where the app's window is: it has the keys where the pointer is.
            self.desktop(desktop)?;
            self.browser.click("#screen canvas")?;
        }
        let has_focus: bool = self.run("document.activeElement?.localName === 'canvas'")?;
        ensure!(has_focus, "the desktop has lost the keyboard");
        self.browser.press(&letters[letters.len() - 1..])?;
        wait_until(&format!("{letters} on the desktop"), LIMIT, || Ok(desktop.typed()? == letters))
            .with_context(|| desktop.typed().unwrap_or_default())?;
        Ok(())
    }

    /// What the page's own elements look like, and how many there are.
    pub(super) fn own_style(&self) -> Result<String> {
        self.run(
            "JSON.stringify([document.documentElement, document.body, document.querySelector('main')].map((element) => {
               const style = getComputedStyle(element);
               const box = element.getBoundingClientRect();
               return [element.getAttribute('style'), element.className, style.cssText || [...style].map((name) => style.getPropertyValue(name)).join(), box];
             }).concat(document.styleSheets.length))",
        )
    }
}
