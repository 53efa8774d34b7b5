use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use crate::{Host, Process, wait_until};

const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;
const START_LIMIT: Duration = Duration::from_secs(10);

/// coturn with a shared secret, over UDP, TCP and TLS with a certificate that nobody trusts. It is killed on drop.
#[derive(Debug)]
pub struct Coturn {
    process: Process,
    command: Command,
    host: Host,
    address: IpAddr,
    _folder: TempDir,
}

impl Coturn {
    /// The secret that it shares with a relay.
    pub const SECRET: &str = "between-coturn-and-the-relay";

    /// Starts it on a host, at one of the host's addresses.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(host: &Host, address: IpAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let of = |name: &str| folder.path().join(name).display().to_string();
        let certificate = generate_simple_self_signed([address.to_string()])?;
        fs::write(of("cert.pem"), certificate.cert.pem())?;
        fs::write(of("key.pem"), certificate.signing_key.serialize_pem())?;
        let mut command = host.command("turnserver");
        command.args(["-n", "--no-cli", "--no-dtls", "--log-file=stdout", "--simple-log"]);
        command.args(["--use-auth-secret", "--realm=soundport.test", "--min-port=49152", "--max-port=49999"]);
        command.args([
            format!("--static-auth-secret={}", Self::SECRET),
            format!("--listening-ip={address}"),
            format!("--relay-ip={address}"),
            format!("--listening-port={PORT}"),
            format!("--tls-listening-port={TLS_PORT}"),
            format!("--cert={}", of("cert.pem")),
            format!("--pkey={}", of("key.pem")),
            format!("--pidfile={}", of("pid")),
            format!("--userdb={}", of("users")),
        ]);
        let process = Process::start("coturn", &mut command)?;
        let coturn = Self { process, command, host: host.clone(), address, _folder: folder };
        coturn.wait_ready()?;
        Ok(coturn)
    }

    /// Its URL over UDP.
    pub fn udp(&self) -> String {
        format!("turn:{}?transport=udp", SocketAddr::from((self.address, PORT)))
    }

    /// Its URL over TCP with TLS.
    pub fn tls(&self) -> String {
        format!("turns:{}?transport=tcp", SocketAddr::from((self.address, TLS_PORT)))
    }

    /// Kills it: all it relayed is lost.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Self::kill`], as it was.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn revive(&mut self) -> Result<()> {
        self.process = Process::start("coturn", &mut self.command)?;
        self.wait_ready()
    }

    fn wait_ready(&self) -> Result<()> {
        let connects = |port| Ok(TcpStream::connect_timeout(&(self.address, port).into(), START_LIMIT)?);
        wait_until("coturn", START_LIMIT, || {
            Ok(self.host.inside(|| connects(PORT).and_then(|_| connects(TLS_PORT))).is_ok())
        })
        .with_context(|| self.process.stderr())
        .map(|_| ())
    }
}
