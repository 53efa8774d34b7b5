use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A computer of its own as far as the network goes: a network namespace. It is gone when its last handle is dropped; end its
/// programs before.
#[derive(Debug, Clone)]
pub struct Host(Arc<Name>);

#[derive(Debug)]
struct Name(String);

impl Host {
    /// Makes one with nothing but loopback.
    ///
    /// # Errors
    /// When the system does not let us, or a tool is missing.
    pub fn new() -> Result<Self> {
        let name = format!("sp{}h{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&format!("ip netns add {name}"))?;
        let host = Self(Arc::new(Name(name)));
        host.run("ip link set lo up")?;
        // Nobody answers for names, and who asks is told so at once: a browser would wait for ten seconds.
        host.set_table(
            "inet names",
            "chain out { type filter hook output priority 0; udp dport 53 reject; }",
        )?;
        Ok(host)
    }

    /// The namespace's name, for `ip -n`.
    pub fn name(&self) -> &str {
        &self.0.0
    }

    /// A command that runs there.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name()]).arg(program);
        command
    }

    /// Runs a line of words that need no shell, there.
    ///
    /// # Errors
    /// When it fails; the text holds what it said.
    pub fn run(&self, line: &str) -> Result<()> {
        run(&format!("ip netns exec {} {line}", self.name()))
    }

    /// Whether its `eth0` is up: the system looks for that once a second.
    pub(crate) fn is_wired(&self) -> Result<bool> {
        let output = self.command("ip").args(["-o", "link", "show", "eth0"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).contains("state UP"))
    }

    /// Does something there: sockets, threads and programs that it begins stay there.
    ///
    /// # Errors
    /// As `work`.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("inside".into());
            let thread = thread.spawn_scoped(scope, || {
                self.enter()?;
                work()
            })?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Puts a table of nftables in the place of the one of that name, at once.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) fn set_table(&self, name: &str, content: &str) -> Result<()> {
        let mut command = self.command("nft");
        let mut nft = command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let text = format!("table {name} {{}}\ndelete table {name}\ntable {name} {{\n{content}\n}}\n");
        nft.stdin.take().context("there is no pipe to nft")?.write_all(text.as_bytes())?;
        let output = nft.wait_with_output()?;
        ensure!(output.status.success(), "nft refuses {text}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Takes the calling thread there for good.
    fn enter(&self) -> Result<()> {
        let path = format!("/run/netns/{}", self.name());
        let file = File::open(&path).with_context(|| format!("Failed to open {path}"))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("Failed to enter {path}"))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Its wires go with it.
        let _ = run(&format!("ip netns del {}", self.0));
    }
}

/// Runs a line of words that need no shell.
pub(crate) fn run(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let output =
        Command::new(program).args(words).output().with_context(|| format!("Failed to run {program}"))?;
    ensure!(output.status.success(), "`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_begins_inside_stays_inside() {
        let (here, there) = (Host::new().unwrap(), Host::new().unwrap());
        let listener = there.inside(|| Ok(TcpListener::bind("127.0.0.1:8443")?)).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(here.inside(|| Ok(TcpStream::connect(address)?)).is_err());
        there.inside(|| Ok(TcpStream::connect(address)?)).unwrap();
        let links = there.command("ip").args(["-o", "link"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&links.stdout).lines().count(), 1);
    }
}
