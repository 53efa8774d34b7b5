//! Podman, as somebody has it who tries the recipes of `deploy`.

mod store;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use self::store::Store;
use crate::{Host, Process, Recorder, Relay, wait_for, wait_until};

const START_LIMIT: Duration = Duration::from_secs(10);
const SERVER_LIMIT: Duration = Duration::from_secs(30);
/// What only the containers of one test are to see; podman keeps what runs there.
const HOLD: &str = "set -e; for folder in containers netns libpod runc crun; do mkdir -p /run/$folder; mount -t tmpfs tmpfs /run/$folder; done; echo ready >&2; while :; do sleep 1; done";

/// Podman with images that are kept for the next time, and a computer of its own to run containers on: what it starts and
/// mounts is gone on drop.
#[derive(Debug)]
pub struct Podman {
    store: &'static Store,
    host: Host,
    holder: Process,
    /// The process that all others of it end with.
    first: u32,
    recipes: TempDir,
}

/// What a control group has used of what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The most memory it has had, in bytes, with what the kernel holds for it.
    pub most_bytes: u64,
    /// Processor time of all its processes.
    pub cpu: Duration,
    /// For how long they waited because it was used up.
    pub throttled: Duration,
}

impl Podman {
    /// Podman, with the recipes at hand and the relay's program in its place. Nothing is built yet.
    ///
    /// # Errors
    /// When it is not installed, or the system does not let us.
    pub fn start() -> Result<Self> {
        let store = Store::open()?;
        let host = Host::new()?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", HOLD]);
        let holder = host.inside(|| Process::start("a place for containers", &mut command))?;
        let first = wait_for("a place for containers", START_LIMIT, || {
            Ok(holder.child().filter(|_| holder.stderr().contains("ready")))
        })
        .with_context(|| holder.stderr())?;
        let podman = Self { store, host, holder, first, recipes: tempfile::tempdir()? };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy"), podman.recipes())?;
        fs::copy(Relay::program()?, podman.recipes().join("relay/soundport"))?;
        // What a run that was killed has left.
        podman.clear()?;
        store.make_base(|program| podman.build_command(program))?;
        Ok(podman)
    }

    /// The computer on which the containers run.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A copy of `deploy`, with the relay's program.
    pub fn recipes(&self) -> &Path {
        self.recipes.path()
    }

    /// Builds all images as the compose file says, and PipeWire's.
    ///
    /// # Errors
    /// When one cannot be built.
    pub fn build(&self) -> Result<()> {
        let mut compose = self.build_command("podman-compose");
        compose.arg("-f").arg(self.recipes().join("compose.yaml"));
        // Docker's format is the one that holds health checks.
        succeed(compose.args(["--podman-build-args=--network=host --format=docker", "build"]))?;
        let mut pipewire = self.build_command("podman");
        pipewire.args(["build", "--network=host", "--tag=soundport-pipewire", "--file"]);
        succeed(pipewire.arg(self.recipes().join("pipewire/Containerfile")).arg(self.recipes()))?;
        self.run("image prune --force").map(|_| ())
    }

    /// Runs podman with a line of words that hold no spaces, and returns what it says.
    ///
    /// # Errors
    /// As [`Self::podman`].
    pub fn run(&self, line: &str) -> Result<String> {
        self.podman(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs podman, and returns what it says.
    ///
    /// # Errors
    /// When it fails; the text holds why.
    pub fn podman(&self, arguments: &[&str]) -> Result<String> {
        succeed(self.command("podman").args(arguments))
    }

    /// Runs podman where it is to fail, and returns what is said to standard error.
    ///
    /// # Errors
    /// When it does not fail.
    pub fn refusal(&self, arguments: &[&str]) -> Result<String> {
        let output = self.build_command("podman").args(arguments).output()?;
        ensure!(!output.status.success(), "podman {} succeeds", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs the compose file with these variables.
    ///
    /// # Errors
    /// As [`Self::podman`].
    pub fn compose(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Result<String> {
        let mut command = self.command("podman-compose");
        command.envs(variables.iter().copied()).args(["--project-name", "soundport", "-f"]);
        succeed(command.arg(self.recipes().join("compose.yaml")).args(arguments))
    }

    /// A command in a container that runs.
    pub fn exec(&self, container: &str, program: &[&str]) -> Command {
        let mut command = self.command("podman");
        command.args(["exec", "--interactive", container]).args(program);
        command
    }

    /// Waits until a container's audio server has its loudspeaker and its microphone.
    ///
    /// # Errors
    /// When it has not within a while.
    pub fn wait_server(&self, container: &str) -> Result<()> {
        let asked = ["sh", "-c", "pactl get-default-sink && pactl get-default-source"];
        wait_until(&format!("the audio server of {container}"), SERVER_LIMIT, || {
            let output = self.exec(container, &asked).output()?;
            Ok(output.stdout == b"out\nmic\n")
        })
        .with_context(|| self.log(container).unwrap_or_default())
        .map(|_| ())
    }

    /// `parec` at a container's microphone.
    ///
    /// # Errors
    /// When there is none, or it cannot be started.
    pub fn parec(&self, container: &str) -> Result<Recorder> {
        self.wait_server(container)?;
        let parec = [
            "parec",
            "--raw",
            "--format=s16le",
            "--rate=48000",
            "--channels=2",
            "--latency-msec=20",
            "-d",
            "mic",
        ];
        Recorder::start("parec", &mut self.exec(container, &parec))
    }

    /// What a container has said so far.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn log(&self, container: &str) -> Result<String> {
        let output = self.command("podman").args(["logs", container]).output()?;
        Ok(String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned())
    }

    /// What podman's `inspect` says in this template.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn inspect(&self, container: &str, template: &str) -> Result<String> {
        Ok(self.podman(&["inspect", "--format", template, container])?.trim().to_owned())
    }

    /// What a container has used of what it may.
    ///
    /// # Errors
    /// When it does not run, or the kernel does not say.
    pub fn used(&self, container: &str) -> Result<Used> {
        let cat = |path: &str| self.cgroup_file(container, path);
        if let Ok(text) = cat("cpu.stat")
            && text.contains("usage_usec")
        {
            let (most, stat) = (cat("memory.peak").or_else(|_| cat("memory.current"))?, text);
            let micros = |key| field(&stat, key).map(Duration::from_micros);
            return Ok(Used {
                most_bytes: most.trim().parse()?,
                cpu: micros("usage_usec")?,
                throttled: micros("throttled_usec")?,
            });
        }
        let stat = cat("cpu.stat")?;
        Ok(Used {
            most_bytes: cat("memory.max_usage_in_bytes")?.trim().parse()?,
            cpu: Duration::from_nanos(cat("cpuacct.usage")?.trim().parse()?),
            throttled: Duration::from_nanos(field(&stat, "throttled_time")?),
        })
    }

    /// Reads a file of the control group that a container is in, for the controller that the file's name begins with.
    fn cgroup_file(&self, container: &str, file: &str) -> Result<String> {
        let id = self.inspect(container, "{{.State.Pid}}")?;
        let groups = succeed(self.build_command("cat").arg(format!("/proc/{id}/cgroup")))?;
        let controller = file.split('.').next().unwrap_or_default();
        let path = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let folder = if controllers.is_empty() { String::new() } else { format!("/{controller}") };
            let path = format!("/sys/fs/cgroup{folder}{path}/{file}");
            (controllers.is_empty() || controllers.split(',').any(|one| one == controller))
                .then_some(path)
                .filter(|path| Path::new(path).exists())
        });
        let path = path.with_context(|| format!("no {file} in {groups}"))?;
        fs::read_to_string(&path).with_context(|| format!("Failed to read {path}"))
    }

    /// Removes all containers, pods, networks and volumes.
    fn clear(&self) -> Result<()> {
        self.run("pod rm --all --force --time 0")?;
        self.run("rm --all --force --time 0 --volumes")?;
        self.run("volume prune --force").map(|_| ())
    }

    /// A command that runs among the containers.
    fn command(&self, program: &str) -> Command {
        self.enter(&["--mount", "--pid", "--net"], program)
    }

    /// A command that runs there, but reaches the network of this machine.
    fn build_command(&self, program: &str) -> Command {
        self.enter(&["--mount", "--pid"], program)
    }

    fn enter(&self, namespaces: &[&str], program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string()]).args(namespaces).arg("--").arg(program);
        self.store.address(&mut command);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.clear();
        self.holder.kill();
    }
}

/// Runs a command, and returns its output.
fn succeed(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("Failed to run {command:?}"))?;
    let (output, complaint) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    ensure!(status.success(), "{command:?} failed: {complaint}{output}");
    Ok(output.into_owned())
}

/// The number that follows a word.
fn field(text: &str, key: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {key} in {text}"))?.trim().parse()?)
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("Failed to read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
