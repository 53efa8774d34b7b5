//! A Python environment with aiortc, a WebRTC client that is not ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Cache, Tool, find_program};
use crate::progress::run_quietly;

/// Every package with its version; the folder in the cache is named after aiortc's.
const REQUIREMENTS: &str = include_str!("../../python.txt");

/// The environment's Python.
///
/// # Errors
/// When there is no Python that can make environments, or a package cannot be installed.
pub(crate) fn environment(cache: &Cache) -> Result<PathBuf> {
    let version = pinned(REQUIREMENTS, "aiortc").context("xtask/python.txt pins no aiortc")?;
    let tool = Tool {
        name: "aiortc",
        version,
        proof: "bin/python",
        title: "a Python environment with aiortc",
        duration: "half a minute",
    };
    let folder = cache.install(&tool, |folder| install(&base()?, folder))?;
    Ok(folder.join(tool.proof))
}

/// A Python that can make environments: the one in `PATH` may be a launcher for a version that is not installed, or lack
/// the modules.
///
/// # Errors
/// When there is none.
pub(crate) fn base() -> Result<PathBuf> {
    find_program("python3")
        .into_iter()
        .chain([PathBuf::from("/usr/bin/python3")])
        .find(|python| can_make_environments(python))
        .context("There is no Python 3.11 or newer with its venv module")
}

fn can_make_environments(python: &Path) -> bool {
    let test = "import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))";
    Command::new(python)
        .args(["-c", test])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn install(base: &Path, folder: &Path) -> Result<()> {
    run_quietly(Command::new(base).args(["-m", "venv"]).arg(folder))?;
    let list = folder.join("requirements.txt");
    std::fs::write(&list, REQUIREMENTS).with_context(|| format!("{} cannot be written", list.display()))?;
    let mut command = Command::new(folder.join("bin/python"));
    command.args(["-m", "pip", "install", "--only-binary", ":all:", "--requirement"]).arg(list);
    run_quietly(&mut command)
}

fn pinned<'a>(requirements: &'a str, name: &str) -> Option<&'a str> {
    requirements.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned() {
        assert!(pinned(REQUIREMENTS, "aiortc").is_some());
        for line in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{line} has no version");
        }
    }
}
