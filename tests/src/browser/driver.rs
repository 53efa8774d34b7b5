use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use thirtyfour::{CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use super::{BrowserOptions, Microphone};
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
    url: String,
    profile: TempDir,
    flags: Vec<String>,
}

impl Driver {
    pub(super) fn start(options: &BrowserOptions<'_>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (host, mut command) = match options.inside {
            Some(container) => (container.address().to_string(), container.command("chromedriver")),
            None => ("127.0.0.1".to_owned(), Command::new("chromedriver")),
        };
        if let Some(server) = options.server {
            server.address(&mut command);
        }
        if options.inside.is_some() {
            command.args(["--allowed-ips=", "--allowed-origins=*"]);
        }
        let process = Process::start("chromedriver", command.arg(format!("--port={port}")))?;
        let url = format!("http://{host}:{port}");
        let http = Http::new(&url);
        wait_until("chromedriver", START_LIMIT, || Ok(http.get("/status")?.status == 200))?;
        let mut flags = options.microphone.flags();
        flags.extend(options.known_as.map(|name| format!("--host-resolver-rules=MAP {name} 127.0.0.1")));
        Ok(Self { process, url, profile: tempfile::tempdir()?, flags })
    }

    /// Starts the browser.
    pub(super) async fn session(&self) -> Result<WebDriver> {
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS.into_iter().chain(self.flags.iter().map(String::as_str)) {
            wanted.add_arg(flag)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", self.profile.path().display()))?;
        wanted.accept_insecure_certs(true)?;
        let driver = WebDriver::new(&self.url, wanted).await?;
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

impl Microphone {
    fn flags(&self) -> Vec<String> {
        const FAKE: &str = "--use-fake-device-for-media-stream";
        const GRANTED: &str = "--use-fake-ui-for-media-stream";
        let wav = |path: &PathBuf| format!("--use-file-for-fake-audio-capture={}", path.display());
        match self {
            Self::Unasked => Vec::new(),
            Self::Wav(path) => vec![FAKE.to_owned(), GRANTED.to_owned(), wav(path)],
            Self::Asked(path) => vec![FAKE.to_owned(), wav(path)],
            Self::Denied => vec![FAKE.to_owned(), "--deny-permission-prompts".to_owned()],
            Self::Granted => vec![GRANTED.to_owned()],
        }
    }
}
