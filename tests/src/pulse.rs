use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{Process, wait_until};

/// A PulseAudio of its own: nothing of the user's is read, nothing of it stays.
#[derive(Debug)]
pub(crate) struct Pulse {
    _process: Process,
    folder: TempDir,
}

impl Pulse {
    /// Starts a daemon whose only sink is sent to `target`, as the README tells users to.
    pub(crate) fn sending(target: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("native");
        let (ip, port) = (target.ip(), target.port());
        let mut command = Command::new("pulseaudio");
        private(&mut command, &folder);
        command.args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--log-target=stderr",
        ]);
        for module in [
            format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display()),
            "module-null-sink sink_name=out rate=48000 channels=2".to_owned(),
            format!("module-rtp-send source=out.monitor destination_ip={ip} port={port}"),
        ] {
            command.args(["-L", &module]);
        }
        let process = Process::start("pulseaudio", &mut command)?;
        wait_until("PulseAudio", Duration::from_secs(10), || Ok(UnixStream::connect(&socket).is_ok()))
            .with_context(|| process.stderr())?;
        Ok(Self { _process: process, folder })
    }

    /// A command that finds this daemon and no other.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        private(&mut command, &self.folder);
        let socket: PathBuf = self.folder.path().join("native");
        command.env("PULSE_SERVER", format!("unix:{}", socket.display()));
        command
    }
}

fn private(command: &mut Command, folder: &TempDir) {
    for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"] {
        command.env(name, folder.path());
    }
}
