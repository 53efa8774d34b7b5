mod microphone;

use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{Container, Process, wait_for, wait_until};

const START_LIMIT: Duration = Duration::from_secs(10);
const PIPEWIRE_LIMIT: Duration = Duration::from_secs(10);
/// What PipeWire is made of: its daemon, who connects its parts, and who answers PulseAudio's clients.
const PIPEWIRE: &str = "pipewire & until [ -S $XDG_RUNTIME_DIR/pipewire-0 ]; do sleep 0.02; done; wireplumber & pipewire-pulse & wait";

/// A PulseAudio or PipeWire of its own, with a silent sink: nothing of the user's is read, nothing of it stays.
///
/// It is killed on drop, without a goodbye.
#[derive(Debug)]
pub struct AudioServer {
    process: Process,
    folder: TempDir,
    socket: PathBuf,
}

impl AudioServer {
    /// PulseAudio with a null sink `out`, in a container or on this host.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn pulse_audio(inside: Option<&Container>) -> Result<Self> {
        Self::pulse_audio_with(inside, &["-L", "module-null-sink sink_name=out rate=48000 channels=2"])
    }

    /// PulseAudio with nothing to play to, as an image has it that nobody prepared.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn bare_pulse_audio(inside: &Container) -> Result<Self> {
        Self::pulse_audio_with(Some(inside), &[])
    }

    /// PipeWire with its answer to PulseAudio's clients and a null sink `out`, in a container.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn pipewire(inside: &Container) -> Result<Self> {
        let server = Self::bare_pipewire(inside)?;
        server.load("module-null-sink sink_name=out rate=48000 channels=2")?;
        // It can be chosen once WirePlumber has seen it.
        wait_for("PipeWire's sink", START_LIMIT, || server.pactl(&["set-default-sink", "out"]).map(Some))?;
        Ok(server)
    }

    /// The same without a sink.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn bare_pipewire(inside: &Container) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("pulse/native");
        // PipeWire counts on being served in time; real-time rights are not to be had everywhere.
        let mut command = inside.command("nice");
        private(&mut command, &folder);
        command.args(["-n", "-11", "dbus-run-session", "--", "sh", "-c", PIPEWIRE]);
        let process = Process::start("pipewire", &mut command)?;
        let server = Self { process, folder, socket };
        server.wait_ready()?;
        Ok(server)
    }

    /// Loads a module, such as `module-rtp-send destination_ip=10.0.0.1`, and returns its number.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn load(&self, module: &str) -> Result<u32> {
        let words: Vec<&str> = std::iter::once("load-module").chain(module.split(' ')).collect();
        let said = self.pactl(&words)?;
        said.trim().parse().with_context(|| format!("pactl said {said:?}"))
    }

    /// Unloads a module: a sender says goodbye.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn unload(&self, number: u32) -> Result<()> {
        self.pactl(&["unload-module", &number.to_string()]).map(|_| ())
    }

    /// Adds PipeWire's own sink that sends to `target` and announces itself there as `name`: the sink `rtp-sink`.
    /// It is gone with the process.
    ///
    /// # Errors
    /// When it does not come.
    pub fn rtp_sink(&self, inside: &Container, target: SocketAddr, name: &str) -> Result<Process> {
        let (ip, port): (IpAddr, u16) = (target.ip(), target.port());
        let arguments = format!(
            r#"{{ destination.ip = "{ip}" destination.port = {port} sap.ip = "{ip}" sess.name = "{name}"
               audio.format = "S16BE" audio.rate = 48000 audio.channels = 2
               stream.props = {{ node.name = "rtp-sink" media.class = "Audio/Sink" }} }}"#
        );
        let mut command = inside.command("pw-cli");
        private(&mut command, &self.folder);
        command.args(["-m", "load-module", "libpipewire-module-rtp-sink", &arguments]);
        let process = Process::start("pw-cli", &mut command)?;
        wait_until("PipeWire's rtp-sink", START_LIMIT, || {
            Ok(self.pactl(&["list", "short", "sinks"])?.contains("rtp-sink"))
        })
        .with_context(|| process.stderr())?;
        Ok(process)
    }

    /// Plays a WAV file with `paplay` to the default sink, or to `sink`.
    ///
    /// # Errors
    /// When `paplay` cannot be started.
    pub fn play(&self, wav: &Path, sink: Option<&str>) -> Result<Process> {
        let mut command = self.client("paplay");
        command.args(sink.map(|sink| format!("--device={sink}"))).arg(wav);
        Process::start("paplay", &mut command)
    }

    /// A command that finds this server and no other.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        private(&mut command, &self.folder);
        self.address(&mut command);
        command
    }

    /// A command in the container that finds this server and no other.
    pub fn client_in(&self, inside: &Container, program: &str) -> Command {
        let mut command = inside.command(program);
        private(&mut command, &self.folder);
        self.address(&mut command);
        command
    }

    /// Has a command find this server, and everything else as it is.
    pub(crate) fn address(&self, command: &mut Command) {
        command.env("PULSE_SERVER", format!("unix:{}", self.socket.display()));
    }

    /// The daemon, with all it is made of.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Unloads all modules of that name: a microphone is unplugged so.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn unload_all(&self, name: &str) -> Result<()> {
        self.pactl(&["unload-module", name]).map(|_| ())
    }

    fn pulse_audio_with(inside: Option<&Container>, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("native");
        let mut command =
            inside.map_or_else(|| Command::new("pulseaudio"), |inside| inside.command("pulseaudio"));
        private(&mut command, &folder);
        command.args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--log-target=stderr",
        ]);
        let protocol = format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        command.args(["-L", &protocol]).args(arguments);
        let process = Process::start("pulseaudio", &mut command)?;
        let server = Self { process, folder, socket };
        server.wait_ready()?;
        Ok(server)
    }

    fn pactl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.client("pactl").args(arguments).output().context("Failed to run pactl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pactl {}: {said} {}", arguments.join(" "), self.process.stderr());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait_ready(&self) -> Result<()> {
        wait_until("the audio server", START_LIMIT, || Ok(UnixStream::connect(&self.socket).is_ok()))
            .with_context(|| self.process.stderr())?;
        Ok(())
    }
}

fn private(command: &mut Command, folder: &TempDir) {
    for name in [
        "HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "PULSE_RUNTIME_PATH",
        "PULSE_STATE_PATH",
    ] {
        command.env(name, folder.path());
    }
    // PipeWire's answer to PulseAudio's clients lies below it.
    command.env("PULSE_RUNTIME_PATH", folder.path().join("pulse"));
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;
    use crate::{Network, SAP_PORT, turn};

    /// The SAP announcement for which `start` cares, and its RTP packets to the announced port.
    fn announced(start: impl FnOnce(&Container, IpAddr) -> Result<(AudioServer, Option<Process>)>) -> String {
        // There is one SAP port.
        let _turn = turn();
        let network = Network::start().unwrap();
        let container = network.container("desktop").unwrap();
        let sap = UdpSocket::bind(("0.0.0.0", SAP_PORT)).unwrap();
        let IpAddr::V4(host) = network.host() else { unreachable!("the network is of IPv4") };
        // PipeWire's answer to PulseAudio's module announces to the group, wherever it sends.
        sap.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 56), &host).unwrap();
        sap.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let (_server, _sink) = start(&container, network.host()).unwrap();
        let mut buffer = [0; 2000];
        let (length, from) = sap.recv_from(&mut buffer).expect("no announcement");
        assert_eq!(from.ip(), container.address());
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn pulse_audio_announces_itself_by_its_hosts_name() {
        let sdp = announced(|container, host| {
            let server = AudioServer::pulse_audio(Some(container))?;
            server.load(&format!("module-rtp-send destination_ip={host}"))?;
            Ok((server, None))
        });
        assert!(sdp.contains("\ns=PulseAudio RTP Stream on desktop\n"), "{sdp}");
    }

    #[test]
    fn pipewire_announces_itself_by_its_hosts_name() {
        let sdp = announced(|container, host| {
            let server = AudioServer::pipewire(container)?;
            server.load(&format!("module-rtp-send source=out.monitor destination_ip={host}"))?;
            Ok((server, None))
        });
        assert!(sdp.contains("\ns=PipeWire RTP Stream on desktop\n"), "{sdp}");
    }

    #[test]
    fn pipewires_own_sink_announces_its_name() {
        let sdp = announced(|container, host| {
            let server = AudioServer::pipewire(container)?;
            let sink = server.rtp_sink(container, (host, 5004).into(), "studio")?;
            Ok((server, Some(sink)))
        });
        assert!(sdp.contains("\ns=studio\n") && sdp.contains("m=audio 5004 "), "{sdp}");
    }
}
