//! `cargo xtask build` and `run`: the page, then the relay that carries it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::{self, forget_this_package};
use crate::progress::step;
use crate::tools::Cache;
use crate::{packages, page};

/// Builds everything for release and returns where the relay lies.
///
/// # Errors
/// When a tool cannot be had, or a build fails.
pub(crate) fn build() -> Result<PathBuf> {
    let cache = Cache::open()?;
    packages::ensure(packages::BUILD)?;
    page::build(&cache)?;
    relay(&["build", "--release", "--locked", "--package", "soundport"])
}

/// Builds the relay as it is handed out, of a page that is built, and returns where it lies.
///
/// # Errors
/// When the build fails.
pub(crate) fn packed() -> Result<PathBuf> {
    relay(&["build", "--profile", "packed", "--locked", "--package", "soundport"])
}

/// Builds, then becomes the relay with its demo source.
///
/// # Errors
/// When the build fails, or the relay cannot be started.
pub(crate) fn run(relay_args: &[OsString]) -> Result<()> {
    let relay = build()?;
    let mut command = Command::new(&relay);
    command.args(["serve", "--demo"]).args(relay_args);
    forget_this_package(&mut command);
    become_program(command).with_context(|| format!("{} could not be started", relay.display()))
}

fn relay(args: &[&str]) -> Result<PathBuf> {
    let title = match is_built_once() {
        true => "Building the relay",
        false => "Building the relay (about 5 minutes the first time)",
    };
    let mut made = Vec::new();
    step(title, || cargo::build(args, &mut made))?;
    let relay = made.into_iter().find(|made| made.package == "soundport" && !made.is_test);
    Ok(relay.context("Cargo built no relay")?.path)
}

fn is_built_once() -> bool {
    // This program lies in the target folder's `debug`, the relay in its `release`.
    let target = env::current_exe().ok().and_then(|own| Some(own.parent()?.parent()?.to_path_buf()));
    target.is_some_and(|target| target.join("release/soundport").exists())
}

/// The relay takes this program's place, so that Ctrl-C and signals reach it alone.
#[cfg(unix)]
fn become_program(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<()> {
    let status = command.status()?;
    anyhow::ensure!(status.success(), "it ended with {status}");
    Ok(())
}
