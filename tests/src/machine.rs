use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{Container, Host, Http, Network, Process, Relay, RelayOptions, Tone, wait_for};

const START_LIMIT: Duration = Duration::from_secs(20);
const TONE_SECONDS: u32 = 90;

/// A machine as a reader of the documentation has it: `soundport` is installed, all ports are free, and there is a network with
/// a container. What is typed there runs in a folder of its own.
#[derive(Debug)]
pub struct Machine {
    host: Host,
    network: Network,
    container: Container,
    folder: TempDir,
}

impl Machine {
    /// One with the container `desktop`, and a file `tone.wav` with the test tone.
    ///
    /// # Errors
    /// When the system does not let us, or a tool is missing.
    pub fn new() -> Result<Self> {
        let host = Host::new()?;
        let (network, container) = host.inside(|| {
            let network = Network::start()?;
            let container = network.container("desktop")?;
            Ok((network, container))
        })?;
        let folder = tempfile::tempdir()?;
        symlink(Relay::program()?, folder.path().join("soundport"))?;
        Tone::write_wav(&folder.path().join("tone.wav"), TONE_SECONDS)?;
        Ok(Self { host, network, container, folder })
    }

    /// Where it is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The container beside it.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Where the container finds it.
    pub fn address(&self) -> String {
        self.network.host().to_string()
    }

    /// Where what is typed runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A relay at its usual ports.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn relay(&self, arguments: &[&str]) -> Result<Relay> {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        self.host.inside(|| {
            let (host, network) = (Some(&self.host), Some(&self.network));
            Relay::with(&RelayOptions { host, network, arguments, ..RelayOptions::default() })
        })
    }

    /// A shell that runs a line on the machine. It becomes the program, where there is only one, so that their ends are one.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = self.host.command("bash");
        self.prepare(command.args(["-ec", line]));
        command
    }

    /// A shell that runs a line in the container.
    pub fn shell_in_container(&self, line: &str) -> Command {
        let mut command = self.container.command("sh");
        self.prepare(command.args(["-ec", line]));
        command
    }

    /// Runs a line to its end, which must be a good one.
    ///
    /// # Errors
    /// When it fails; the text holds what it said.
    pub fn run(&self, line: &str) -> Result<Output> {
        let output = self.shell(line).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{line}` ended with {}: {said}", output.status);
        Ok(output)
    }

    /// Runs a line that starts a relay, and waits until it answers at the usual port.
    ///
    /// # Errors
    /// When it does not.
    pub fn serve(&self, line: &str) -> Result<Process> {
        let mut process = Process::start("soundport", &mut self.shell(line))?;
        let http = self.http();
        let ended = wait_for("the relay", START_LIMIT, || {
            if let Some(status) = process.ended()? {
                return Ok(Some(Some(status)));
            }
            Ok((http.get("/healthz")?.status == 200).then_some(None))
        })
        .with_context(|| process.stderr())?;
        ensure!(ended.is_none(), "`{line}` ended: {}", process.stderr());
        Ok(process)
    }

    /// A client at the usual port.
    pub fn http(&self) -> Http {
        Http::new("http://127.0.0.1:8080").from(&self.host)
    }

    fn prepare(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        command.current_dir(self.folder()).env("PATH", format!("{}:{path}", self.folder().display()));
    }
}
