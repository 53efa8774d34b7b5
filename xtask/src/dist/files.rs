//! Files and folders for others: made alike each time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::run_quietly;

/// Writes a file, and the folder that it lies in.
pub(super) fn write(file: &Path, content: &[u8]) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, content))
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// What a program prints.
///
/// # Errors
/// When it cannot be started or fails: with what it said.
pub(super) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{program} could not be started"))?;
    if !output.status.success() {
        bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// Puts what is in `folder` into a compressed archive, with nobody's name on it.
pub(super) fn gather(folder: &Path, archive: &Path, seconds: u64) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]);
    tar.arg(format!("--mtime=@{seconds}")).args(["--use-compress-program", "gzip -9 --no-name"]);
    run_quietly(tar.arg("--file").arg(archive).arg("--directory").arg(folder).arg("."))
}

/// Compresses text as `gzip` does.
pub(super) fn gzip(file: &Path) -> Result<Vec<u8>> {
    output(Command::new("gzip").args(["-9", "--no-name", "--stdout"]).arg(file))
}

/// The files below `folder`, named from there, in order.
pub(super) fn list(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            names.extend(list(&path)?.into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
