//! Parts of Rust that its smallest installation leaves out: the browser's target, rustfmt and Clippy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::find_program;
use crate::progress::{run_quietly, step};

/// The target that the page is compiled for.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// Adds the page's target to the Rust in use, if it is not there.
///
/// # Errors
/// When it is missing and there is no rustup, or rustup fails.
pub(crate) fn ensure_wasm() -> Result<()> {
    if sysroot()?.join("lib/rustlib").join(WASM).join("lib").is_dir() {
        return Ok(());
    }
    add(&format!("Rust's {WASM} target"), &["target", "add", WASM])
}

/// Adds rustfmt and Clippy, if they are not there.
///
/// # Errors
/// When they are missing and there is no rustup, or rustup fails.
pub(crate) fn ensure_checks() -> Result<()> {
    let bin = sysroot()?.join("bin");
    let is_there = |name: &str| {
        bin.join(name).is_file() || (find_program("rustup").is_none() && find_program(name).is_some())
    };
    if is_there("cargo-fmt") && is_there("cargo-clippy") {
        return Ok(());
    }
    add("rustfmt and Clippy", &["component", "add", "rustfmt", "clippy"])
}

fn add(what: &str, args: &[&str]) -> Result<()> {
    if find_program("rustup").is_none() {
        bail!(
            "This Rust lacks {what}, and there is no rustup to add it: install it with the package manager that Rust \
             came from, or install Rust with rustup"
        );
    }
    step(&format!("Adding {what}, once per toolchain (a few seconds)"), || {
        run_quietly(Command::new("rustup").args(args))
    })
}

fn sysroot() -> Result<PathBuf> {
    let output =
        Command::new("rustc").args(["--print", "sysroot"]).output().context("rustc could not be started")?;
    let text = String::from_utf8(output.stdout).context("rustc's folder has a name that is no text")?;
    Ok(Path::new(text.trim_end()).to_path_buf())
}
