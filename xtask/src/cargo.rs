//! Cargo, called by a program that Cargo itself has started.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

/// An executable that Cargo has built.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    /// The package it belongs to.
    pub(crate) package: String,
    /// The library, program or test file it was made of.
    pub(crate) target: String,
    /// Whether it runs tests.
    pub(crate) is_test: bool,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The package's folder.
    pub(crate) folder: PathBuf,
}

/// A call of the Cargo that started this program, in the top folder.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace::top());
    forget_this_package(&mut command);
    command
}

/// Takes away what Cargo says about `xtask` itself: build scripts that look at it would run again and again.
pub(crate) fn forget_this_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// Runs a Cargo build whose progress is shown as it comes, and lists the executables it made or found made, also those
/// made before or beside a failure.
///
/// # Errors
/// When Cargo cannot be started, or the build fails.
pub(crate) fn build(args: &[&str], made: &mut Vec<Executable>) -> Result<()> {
    let mut command = cargo(args);
    command.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("Cargo could not be started")?;
    let stdout = child.stdout.take().context("a piped child has an output")?;
    for line in BufReader::new(stdout).lines() {
        made.extend(read_message(&line?));
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`cargo {}` failed ({status})", args.join(" "));
    }
    Ok(())
}

fn read_message(line: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?.into();
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    Some(Executable {
        package: package_name(message["package_id"].as_str()?)?,
        target: message["target"]["name"].as_str()?.to_owned(),
        is_test: message["profile"]["test"].as_bool()?,
        path,
        folder: manifest.parent()?.to_path_buf(),
    })
}

/// `path+file:///clone/tests#soundport-tests@0.1.0`, or `path+file:///clone/xtask#0.1.0` where the folder has the name.
fn package_name(id: &str) -> Option<String> {
    let (place, version) = id.rsplit_once('#')?;
    match version.split_once('@') {
        Some((name, _)) => Some(name.to_owned()),
        None => place.rsplit('/').next().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///c/tests#soundport-tests@0.1.0",
            "manifest_path":"/c/tests/Cargo.toml","target":{"kind":["test"],"name":"ear"},
            "profile":{"test":true},"executable":"/c/target/debug/deps/ear-1"}"#;
        let found = Executable {
            package: "soundport-tests".into(),
            target: "ear".into(),
            is_test: true,
            path: "/c/target/debug/deps/ear-1".into(),
            folder: "/c/tests".into(),
        };
        assert_eq!(read_message(line), Some(found));
        assert_eq!(read_message(&line.replace("\"/c/target/debug/deps/ear-1\"", "null")), None);
        assert_eq!(read_message("not a message"), None);
    }

    #[test]
    fn a_package_is_named_by_its_id_or_its_folder() {
        assert_eq!(package_name("path+file:///c/relay/server#soundport@0.1.0").as_deref(), Some("soundport"));
        assert_eq!(package_name("path+file:///c/xtask#0.1.0").as_deref(), Some("xtask"));
    }
}
