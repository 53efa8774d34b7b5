//! The systemd unit of `deploy`, as systemd reads it.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Relay, report};

const UNIT: &str = include_str!("../../deploy/soundport.service");
/// As the unit says it.
const PROGRAM: &str = "/usr/bin/soundport";
/// Of a hundred: what opens ports for the network cannot have none.
const MOST_EXPOSED: u32 = 15;

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_it_exposes_little() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("soundport.service");
    let program = Relay::program()?;
    ensure!(UNIT.contains(&format!("ExecStart={PROGRAM} ")), "the unit starts another program");
    fs::write(&unit, UNIT.replace(PROGRAM, &program.display().to_string()))?;
    says_nothing(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit))?;
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", &threshold])
        .arg(&unit)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the unit exposes more than {MOST_EXPOSED} of 100: {said}");
    report(said.lines().last().context("systemd-analyze says nothing")?);
    Ok(())
}

/// Runs a command that succeeds and complains of nothing.
fn says_nothing(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("Failed to run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "{command:?} says {said}");
    Ok(())
}
