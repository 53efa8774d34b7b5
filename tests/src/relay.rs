use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use soundport_api::{Diagnosis, Source, SourceState};
use tempfile::TempDir;

use crate::{Host, Http, Network, Process, SAP_PORT, Usage, wait_for};

const START_LIMIT: Duration = Duration::from_secs(20);
/// Another program may take a port between the look and the relay's bind.
const PORT_TRIES: usize = 3;

/// A relay of its own for a test: fresh certificates, free ports, killed on drop.
#[derive(Debug)]
pub struct Relay {
    process: Process,
    command: Command,
    ports: Ports,
    certs: TempDir,
    http: Http,
}

/// How a relay is started, beyond its ports.
#[derive(Debug, Default, Clone)]
pub struct RelayOptions<'a> {
    /// `--demo`: with the built-in source.
    pub demo: bool,
    /// `--announce` for each.
    pub announce: Vec<String>,
    /// Runs there, at its usual ports and with HTTPS open to the world.
    pub host: Option<&'a Host>,
    /// Open to the containers of a network, with SAP at its own port there.
    pub network: Option<&'a Network>,
    /// SAP at its own port on all addresses, as multicast needs it: only one relay at a time.
    pub everywhere: bool,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// How much it says (`SOUNDPORT_LOG`), such as `trace`.
    pub log: Option<&'a str>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    https: u16,
    http: u16,
    rtp: u16,
    sap: u16,
}

impl Relay {
    /// A relay on loopback without sources.
    ///
    /// # Errors
    /// When it does not come up; the text holds what it said.
    pub fn start() -> Result<Self> {
        Self::with(&RelayOptions::default())
    }

    /// A relay on loopback with the demo source.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn demo() -> Result<Self> {
        Self::with(&RelayOptions { demo: true, ..RelayOptions::default() })
    }

    /// A relay as the options say.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn with(options: &RelayOptions<'_>) -> Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::once(options) {
                Err(error) if tries < PORT_TRIES && error.to_string().contains("in use") => {}
                outcome => return outcome,
            }
        }
    }

    /// The relay's program: `SOUNDPORT_BIN`, else the one built beside the tests.
    ///
    /// # Errors
    /// When there is none and it cannot be built.
    pub fn program() -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("SOUNDPORT_BIN") {
            return Ok(path.into());
        }
        let here = std::env::current_exe()?;
        let profile =
            here.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
        let path = profile.context("not run from a target folder: set SOUNDPORT_BIN")?.join("soundport");
        if !path.exists() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo).args(["build", "--package", "soundport"]).status()?;
            ensure!(built.success() && path.exists(), "`cargo build -p soundport` failed");
        }
        Ok(path)
    }

    /// A client of its plain HTTP address.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// `http://localhost:…`, a secure context for browsers.
    pub fn http_url(&self) -> String {
        format!("http://localhost:{}", self.ports.http)
    }

    /// `https://localhost:…`, with the minted certificate.
    pub fn https_url(&self) -> String {
        format!("https://localhost:{}", self.ports.https)
    }

    /// Where senders send RTP to.
    pub fn rtp(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.rtp).into()
    }

    /// Where senders announce themselves, on loopback.
    pub fn sap(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.sap).into()
    }

    /// Where all WebRTC sessions end.
    pub fn media(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.https).into()
    }

    /// Where its certificates are.
    pub fn certs(&self) -> &Path {
        self.certs.path()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// Its memory and processor time.
    ///
    /// # Errors
    /// When it has died.
    pub fn usage(&self) -> Result<Usage> {
        self.process.usage().with_context(|| format!("the relay is gone; it said:\n{}", self.log()))
    }

    /// The sources it lists.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let answer = self.http.get("/api/sources")?;
        ensure!(answer.status == 200, "/api/sources answered {}", answer.status);
        serde_json::from_slice(&answer.body).context("/api/sources is not a list of sources")
    }

    /// The source of that id, if it is listed.
    ///
    /// # Errors
    /// As [`Self::sources`].
    pub fn source(&self, id: &str) -> Result<Option<Source>> {
        Ok(self.sources()?.into_iter().find(|source| source.id == id))
    }

    /// Waits until the source of that id is live.
    ///
    /// # Errors
    /// When it is not within ten seconds.
    pub fn wait_live(&self, id: &str) -> Result<Source> {
        wait_for(&format!("source {id} to be live"), Duration::from_secs(10), || {
            Ok(self.source(id)?.filter(|source| source.state == SourceState::Live))
        })
        .with_context(|| format!("sources: {:?}", self.sources()))
    }

    /// Waits until the source of that id has `count` listeners, at most `limit`.
    ///
    /// # Errors
    /// When it has another number then.
    pub fn wait_listeners(&self, id: &str, count: u32, limit: Duration) -> Result<()> {
        wait_for(&format!("{count} listeners of {id}"), limit, || {
            Ok(self.source(id)?.filter(|source| source.listeners == count).map(|_| ()))
        })
        .with_context(|| format!("sources: {:?}", self.sources()))
    }

    /// What `soundport doctor` says beside it, with the same options and `arguments`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn doctor(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(self.command.get_program());
        command.args(
            self.command.get_args().map(|word| if word == "serve" { OsStr::new("doctor") } else { word }),
        );
        for (name, value) in self.command.get_envs() {
            command.envs(value.map(|value| (name, value)));
        }
        command.args(arguments).output().context("Failed to run soundport doctor")
    }

    /// What it says of a source, to somebody who has these sessions.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn diagnosis(&self, source: &str, own: &[&str]) -> Result<Diagnosis> {
        let query: Vec<String> = own.iter().map(|session| format!("session={session}")).collect();
        let answer = self.http.get(&format!("/api/sources/{source}/doctor?{}", query.join("&")))?;
        ensure!(answer.status == 200, "the doctor answered {}: {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body).with_context(|| answer.text())
    }

    /// Kills it without a goodbye.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop (SIGTERM).
    pub fn stop(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Has it read its configuration again (SIGHUP).
    pub fn reload(&self) {
        self.process.signal(Signal::HUP);
    }

    /// Starts it again after [`Self::kill`], as it was and with the same certificate.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn revive(&mut self) -> Result<()> {
        self.process = Process::start("the relay", &mut self.command)?;
        self.wait_ready()
    }

    fn once(options: &RelayOptions<'_>) -> Result<Self> {
        let ports = Ports::free(options)?;
        let certs = tempfile::tempdir()?;
        let mut command = command(options, ports, certs.path())?;
        let process = Process::start("the relay", &mut command)?;
        let http = Http::new(&format!("http://127.0.0.1:{}", ports.http));
        let http = match options.host {
            Some(host) => http.from(host),
            None => http,
        };
        let mut relay = Self { process, command, ports, certs, http };
        relay.wait_ready()?;
        Ok(relay)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let ended = wait_for("the relay to be ready", START_LIMIT, || {
            if let Some(status) = self.process.ended()? {
                return Ok(Some(Some(status)));
            }
            Ok((self.http.get("/healthz")?.status == 200).then_some(None))
        })
        .with_context(|| self.log())?;
        if let Some(status) = ended {
            bail!("the relay ended with {status}: {}", self.log());
        }
        Ok(())
    }
}

impl Ports {
    fn free(options: &RelayOptions<'_>) -> Result<Self> {
        if options.host.is_some() {
            return Ok(Self { https: 8443, http: 8080, rtp: 5004, sap: SAP_PORT });
        }
        // All are held until the last is found: else two could be the same.
        let held = [free_port()?, free_port()?, free_port()?, free_port()?];
        let [https, http, rtp, sap] = held.each_ref().map(|held| held.port);
        Ok(Self { https, http, rtp, sap })
    }
}

fn command(options: &RelayOptions<'_>, ports: Ports, certs: &Path) -> Result<Command> {
    let program = Relay::program()?;
    let mut command = match options.host {
        Some(host) => host.command(program),
        None => Command::new(program),
    };
    let open = if options.host.is_some() { "[::]" } else { "127.0.0.1" };
    let rtp = if options.network.is_some() { "[::]" } else { open };
    let sap = match options.network {
        _ if options.everywhere || options.host.is_some() => format!("[::]:{SAP_PORT}"),
        Some(network) => network.sap().to_string(),
        None => format!("{open}:{}", ports.sap),
    };
    command
        .arg("serve")
        .args(["--https".to_owned(), format!("{open}:{}", ports.https)])
        .args(["--media".to_owned(), format!("{open}:{}", ports.https)])
        .args(["--http".to_owned(), format!("127.0.0.1:{}", ports.http)])
        .args(["--rtp".to_owned(), format!("{rtp}:{}", ports.rtp)])
        .env("SOUNDPORT_SAP", sap)
        .arg("--certs")
        .arg(certs);
    command.args(options.demo.then_some("--demo"));
    command.args(options.announce.iter().flat_map(|address| ["--announce", address]));
    command.args(&options.arguments);
    command.envs(options.log.map(|log| ("SOUNDPORT_LOG", log)));
    Ok(command)
}

/// A port that is nobody else's while this lives.
struct Held {
    port: u16,
    _tcp: TcpListener,
    _udp: UdpSocket,
}

/// A port that neither TCP nor UDP uses on loopback just now.
fn free_port() -> Result<Held> {
    for _ in 0..50 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        if let Ok(udp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(Held { port, _tcp: tcp, _udp: udp });
        }
    }
    bail!("found no free port in fifty tries")
}
