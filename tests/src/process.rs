use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::wait_for;

/// The kernel's clock ticks in `/proc/<pid>/stat`, the same on every Linux (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: f64 = 100.0;
const END_LIMIT: Duration = Duration::from_secs(10);

/// What a program prints, on both outputs, when all goes well.
///
/// # Errors
/// When it cannot be run, or fails: the text holds what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("Failed to run {program}: is it installed?"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(output.status.success(), "{program} failed: {text}");
    Ok(text)
}

/// A program that a test started; it and what it started are killed on drop, and nothing else.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stderr: NamedTempFile,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Processor time of all threads since the start.
    pub cpu: Duration,
}

impl Process {
    /// Starts `command` with its standard error kept for [`Self::stderr`] and its output thrown away.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        Self::spawn(name, command.stdin(Stdio::null()).stdout(Stdio::null()))
    }

    /// As [`Self::start`], with its output written to `output`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_into(name: &str, command: &mut Command, output: fs::File) -> Result<Self> {
        Self::spawn(name, command.stdin(Stdio::null()).stdout(output))
    }

    /// As [`Self::start`], with its input read from `input`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_from(name: &str, command: &mut Command, input: fs::File) -> Result<Self> {
        Self::spawn(name, command.stdin(input).stdout(Stdio::null()))
    }

    /// As [`Self::start`], with its input for the caller to write.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_fed(name: &str, command: &mut Command) -> Result<(Self, ChildStdin)> {
        let mut process = Self::spawn(name, command.stdin(Stdio::piped()).stdout(Stdio::null()))?;
        let input = process.child.stdin.take().context("there is no pipe to its input")?;
        Ok((process, input))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process that it has started, if there is one.
    pub(crate) fn child(&self) -> Option<u32> {
        descendants(self.id()).first().copied()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        let mut text = Vec::new();
        let read = fs::File::open(self.stderr.path()).and_then(|mut file| file.read_to_end(&mut text));
        read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// How it ended, or none while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("Failed to ask whether {} runs", self.name))
    }

    /// Memory and processor time of the process itself.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.id()));
        Ok(Usage { resident_bytes: resident_bytes(&folder)?, cpu: cpu(&folder)? })
    }

    /// Kills it at once (SIGKILL), with all it started: no goodbye is said.
    pub fn kill(&mut self) {
        let family = descendants(self.id());
        let _ = self.child.kill();
        family.into_iter().for_each(|id| send(id, Signal::KILL));
        let _ = self.child.wait();
    }

    /// Asks it and all it started to end (SIGTERM), and waits until it has: there is time for a goodbye.
    ///
    /// # Errors
    /// When it has not ended within ten seconds.
    pub fn end(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let name = self.name.clone();
        wait_for(&format!("{name} to end"), END_LIMIT, || self.ended()).map(|_| ())
    }

    /// Halts it and all it started (SIGSTOP), as a container that is paused.
    pub fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it and all it started go on (SIGCONT).
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends a signal to it and all it started.
    pub fn signal(&self, signal: Signal) {
        let family = descendants(self.id());
        send(self.id(), signal);
        family.into_iter().for_each(|id| send(id, signal));
    }

    fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let stderr = NamedTempFile::new().context("Failed to create a file for standard error")?;
        let child = command
            .stderr(stderr.reopen()?)
            .spawn()
            .with_context(|| format!("Failed to start {name}: is it installed?"))?;
        Ok(Self { name: name.to_owned(), child, stderr })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    // Who has ended needs no signal.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

fn resident_bytes(folder: &Path) -> Result<u64> {
    let status = fs::read_to_string(folder.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

fn cpu(folder: &Path) -> Result<Duration> {
    let stat = fs::read_to_string(folder.join("stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).context("short stat");
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

/// The ids of all processes below `ancestor`, as `/proc` shows them now.
fn descendants(ancestor: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(id);
    }
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(next) = open.pop() {
        for child in children.remove(&next).unwrap_or_default() {
            found.push(child);
            open.push(child);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_started_dies_with_it() {
        let mut shell = Process::start("sh", Command::new("sh").args(["-c", "sleep 600 & wait"])).unwrap();
        let sleep =
            wait_for("the child", Duration::from_secs(5), || Ok(descendants(shell.id()).pop())).unwrap();
        assert!(shell.usage().unwrap().resident_bytes > 100_000);
        shell.kill();
        wait_for("its end", Duration::from_secs(5), || {
            let stat = fs::read_to_string(format!("/proc/{sleep}/stat")).unwrap_or_default();
            Ok((stat.is_empty() || stat.contains(") Z ")).then_some(()))
        })
        .unwrap();
    }
}
