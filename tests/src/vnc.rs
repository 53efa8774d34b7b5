use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{Http, Process, wait_for, wait_until};

const START_LIMIT: Duration = Duration::from_secs(20);

/// noVNC's own parts in the least page that shows a desktop, as its documentation has it.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>noVNC</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; background: BACKGROUND; }
#screen { flex: 1; overflow: hidden; }
</style>
<script type="module">
import RFB from "./core/rfb.js";
const rfb = new RFB(document.getElementById("screen"), `ws://${location.host}/websockify`);
rfb.scaleViewport = true;
window.desktop = { rfb, connected: false };
rfb.addEventListener("connect", () => { window.desktop.connected = true; });
rfb.addEventListener("disconnect", () => { window.desktop.connected = false; });
</script>
</head>
<body><main id="screen"></main>
LINE
</body>
</html>
"#;

/// A desktop by VNC with one app on it, and a stock noVNC page that shows it. All is killed on drop.
#[derive(Debug)]
pub struct Vnc {
    _proxy: Process,
    _app: Process,
    _server: Process,
    folder: TempDir,
    port: u16,
}

impl Vnc {
    /// Starts it; the page holds `line`.
    ///
    /// # Errors
    /// When a part is missing or does not start; `SOUNDPORT_NOVNC` names noVNC's package.
    pub fn start(line: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let novnc = std::env::var_os("SOUNDPORT_NOVNC").map(PathBuf::from);
        let novnc = novnc.context("SOUNDPORT_NOVNC is not set: run `cargo xtask test`")?;
        for part in ["core", "vendor"] {
            symlink(novnc.join(part), folder.path().join(part))?;
        }
        let [desktop, port] = [free_port()?, free_port()?];
        let display = folder.path().join("display");
        let mut command = Command::new("Xtigervnc");
        command.args(["-displayfd", "1", "-rfbport", &desktop.to_string(), "-localhost"]);
        command.args(["-SecurityTypes", "None", "-geometry", "800x600", "-nolisten", "tcp"]);
        let server = Process::start_into("the VNC server", &mut command, File::create(&display)?)?;
        let display = wait_for("the VNC server's display", START_LIMIT, || {
            let number = fs::read_to_string(&display)?;
            Ok(number.strip_suffix('\n').map(|number| format!(":{}", number.trim())))
        })
        .with_context(|| server.stderr())?;

        // It covers the desktop, so that the keys are its.
        let mut command = Command::new("xev");
        command.args(["-geometry", "800x600+0+0", "-event", "keyboard"]).env("DISPLAY", display);
        let app = Process::start_into("xev", &mut command, File::create(folder.path().join("keys"))?)?;

        let mut command = Command::new("websockify");
        command.arg("--web").arg(folder.path());
        let addresses = [format!("127.0.0.1:{port}"), format!("127.0.0.1:{desktop}")];
        let proxy = Process::start("websockify", command.args(addresses))?;
        let vnc = Self { _proxy: proxy, _app: app, _server: server, folder, port };
        vnc.write(line, "dimgrey")?;
        let http = Http::new(&format!("http://127.0.0.1:{port}"));
        wait_until("websockify", START_LIMIT, || Ok(http.get("/vnc.html")?.status == 200))
            .with_context(|| vnc._proxy.stderr())?;
        Ok(vnc)
    }

    /// Writes the page anew, with another line and another background.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, line: &str, background: &str) -> Result<()> {
        let page = PAGE.replace("LINE", line).replace("BACKGROUND", background);
        Ok(fs::write(self.folder.path().join("vnc.html"), page)?)
    }

    /// Where the page is, on this host name.
    pub fn url(&self, name: &str) -> String {
        format!("http://{name}:{}/vnc.html", self.port)
    }

    /// The letters that were typed into the app on the desktop so far.
    ///
    /// # Errors
    /// When its words cannot be read.
    pub fn typed(&self) -> Result<String> {
        let said = fs::read_to_string(self.folder.path().join("keys"))?;
        let pressed = said.split("KeyPress event").skip(1);
        let letters = pressed
            .filter_map(|event| event.split_once("XLookupString gives 1 bytes: (")?.1.split('"').nth(1));
        Ok(letters.collect())
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
