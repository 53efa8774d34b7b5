//! Mistakes that newcomers make: the relay says in one sentence what is wrong where, and ends.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use soundport_tests::Relay;
use tempfile::TempDir;

/// A folder for certificates, and a relay's answer to a command line that cannot work.
struct Attempt {
    folder: TempDir,
}

impl Attempt {
    fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    fn certs(&self) -> &Path {
        self.folder.path()
    }

    /// Checks that the relay refuses, in one sentence with all of `words`.
    fn refuses(&self, arguments: &[&str], words: &[&str]) -> Result<()> {
        let output = self.run(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        ensure!(code.is_some_and(|code| code != 0 && code != 124), "ended with {code:?} and said {said}");
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        ensure!(lines.len() == 1, "not one sentence: {said}");
        for word in words {
            ensure!(said.contains(word), "{word} is not named: {said}");
        }
        ensure!(!said.contains("panicked"), "a panic: {said}");
        Ok(())
    }

    /// Runs the relay on ports of the system's choice, except where `arguments` say otherwise; it has ten seconds to end.
    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new("timeout");
        command.arg("10").arg(Relay::program()?).arg("serve");
        for option in ["--https", "--http", "--media", "--rtp"] {
            if !arguments.contains(&option) {
                command.args([option, "127.0.0.1:0"]);
            }
        }
        if !arguments.contains(&"--certs") {
            command.arg("--certs").arg(self.certs());
        }
        Ok(command.args(arguments).output()?)
    }
}

#[test]
fn a_tcp_port_in_use_is_named() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for option in ["--https", "--http"] {
        Attempt::new()?.refuses(&[option, &address], &[&address, "in use", option])?;
    }
    Ok(())
}

#[test]
fn a_udp_port_in_use_is_named() -> Result<()> {
    let taken = UdpSocket::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for option in ["--media", "--rtp"] {
        Attempt::new()?.refuses(&[option, &address], &[&address, "in use", option])?;
    }
    Ok(())
}

#[test]
fn a_second_relay_on_the_same_ports_is_refused() -> Result<()> {
    let relay = Relay::start()?;
    let (media, rtp) = (relay.media().to_string(), relay.rtp().to_string());
    Attempt::new()?.refuses(&["--media", &media], &[&media, "in use"])?;
    Attempt::new()?.refuses(&["--rtp", &rtp], &[&rtp, "in use"])
}

#[test]
fn an_unreadable_certificate_is_named() -> Result<()> {
    let attempt = Attempt::new()?;
    let certificate = attempt.certs().join("own.pem");
    let key = attempt.certs().join("own-key.pem");
    fs::write(&certificate, "this is no certificate")?;
    fs::write(&key, "this is no key")?;
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    attempt.refuses(&["--cert", &certificate, "--key", &key], &["own"])?;
    attempt.refuses(&["--cert", "/nowhere/cert.pem", "--key", &key], &["/nowhere/cert.pem"])?;
    attempt.refuses(&["--cert", &certificate], &["--key"])
}

#[test]
fn a_folder_that_is_none_is_named() -> Result<()> {
    let attempt = Attempt::new()?;
    let file = attempt.certs().join("file");
    fs::write(&file, "")?;
    let file = file.display().to_string();
    attempt.refuses(&["--certs", &file], &[&file])
}

#[test]
fn an_unknown_option_is_named() -> Result<()> {
    Attempt::new()?.refuses(&["--htps", "localhost:1"], &["--htps", "--https"])
}

#[test]
fn a_wrong_value_is_named() -> Result<()> {
    Attempt::new()?.refuses(&["--media", "nonsense"], &["nonsense", "--media"])?;
    Attempt::new()?.refuses(&["--frame", "7"], &["7", "10"])?;
    Attempt::new()?.refuses(&["--bitrate", "9999"], &["9999"])
}

#[test]
fn an_unknown_key_in_the_file_is_named() -> Result<()> {
    let attempt = Attempt::new()?;
    let file = attempt.certs().join("soundport.toml");
    fs::write(&file, "htps = \"localhost:1\"\n")?;
    let file = file.display().to_string();
    attempt.refuses(&["--config", &file], &["htps", &file])
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_named() -> Result<()> {
    let attempt = Attempt::new()?;
    attempt.refuses(&["--config", "/nowhere/soundport.toml"], &["/nowhere/soundport.toml"])?;
    let file = attempt.certs().join("broken.toml");
    fs::write(&file, "https = = 1\n")?;
    let file = file.display().to_string();
    attempt.refuses(&["--config", &file], &[&file])
}
