use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use thirtyfour::{CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::{Http, Process, wait_until};

const START_LIMIT: Duration = Duration::from_secs(20);
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);

/// Root has no sandbox, a test needs no network beyond the page's, and nothing may be found from the last run.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=document-user-activation-required",
    "--window-size=1280,900",
    "--lang=en-US",
];

/// A chromedriver on a port of its own, and the profile of the browser it starts.
#[derive(Debug)]
pub(super) struct Driver {
    process: Process,
    port: u16,
    profile: TempDir,
}

impl Driver {
    pub(super) fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("chromedriver");
        let process = Process::start("chromedriver", command.arg(format!("--port={port}")))?;
        let http = Http::new(&format!("http://127.0.0.1:{port}"));
        wait_until("chromedriver", START_LIMIT, || Ok(http.get("/status")?.status == 200))?;
        Ok(Self { process, port, profile: tempfile::tempdir()? })
    }

    /// Starts the browser.
    pub(super) async fn session(&self) -> Result<WebDriver> {
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", self.profile.path().display()))?;
        wanted.accept_insecure_certs(true)?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{}", self.port), wanted).await?;
        driver.set_script_timeout(SCRIPT_LIMIT).await?;
        Ok(driver)
    }

    pub(super) fn log(&self) -> String {
        self.process.stderr()
    }

    pub(super) fn kill(&mut self) {
        self.process.kill();
    }
}
