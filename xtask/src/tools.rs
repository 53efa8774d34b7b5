//! Pinned tools in the user's cache folder, shared by all clones: `<cache>/soundport/tools/<name>-<version>`.

pub(crate) mod crates;
pub(crate) mod npm;
pub(crate) mod python;
pub(crate) mod rustup;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::{say, step};

/// The cache folder of this user.
pub(crate) struct Cache {
    folder: PathBuf,
}

/// A tool as it is wanted.
pub(crate) struct Tool<'a> {
    /// As its folder is called, without the version.
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// A file that a finished installation has, below the tool's folder.
    pub(crate) proof: &'a str,
    /// What the user is told, as in "Installing Trunk 0.21.14, once per machine (about 2 minutes)".
    pub(crate) title: &'a str,
    pub(crate) duration: &'a str,
}

impl Cache {
    /// Finds the folder that `XDG_CACHE_HOME` or `HOME` names, and makes it.
    ///
    /// # Errors
    /// When neither is set, or the folder cannot be made.
    pub(crate) fn open() -> Result<Self> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = set("XDG_CACHE_HOME")
            .filter(|folder| folder.is_absolute())
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .context("Neither XDG_CACHE_HOME nor HOME is set: there is no folder to keep tools in")?;
        let folder = home.join("soundport");
        fs::create_dir_all(folder.join("tools"))
            .with_context(|| format!("{} cannot be made: tools are kept there", folder.display()))?;
        Ok(Self { folder })
    }

    /// Whether this machine has a tool.
    pub(crate) fn has(&self, tool: &Tool<'_>) -> bool {
        self.folder_of(tool).join(tool.proof).exists()
    }

    /// The folder of a tool, installed first if this machine has it not. `install` fills the empty folder it is given,
    /// which gets its name only when all is there: one that was interrupted is never taken for a whole one. Clones that
    /// build at the same time wait for each other.
    ///
    /// # Errors
    /// When the installation fails.
    pub(crate) fn install(
        &self,
        tool: &Tool<'_>,
        install: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.folder_of(tool);
        if self.has(tool) {
            return Ok(folder);
        }
        let _lock = self.lock()?;
        if self.has(tool) {
            return Ok(folder);
        }
        remove(&folder)?;
        let unfinished = self.scratch(&format!("{}-{}", tool.name, tool.version))?;
        let title =
            format!("Installing {} {}, once per machine ({})", tool.title, tool.version, tool.duration);
        step(&title, || {
            install(&unfinished)?;
            if !unfinished.join(tool.proof).exists() {
                bail!("{} {} was installed, but has no {}", tool.title, tool.version, tool.proof);
            }
            fs::rename(&unfinished, &folder).with_context(|| {
                format!("{} cannot be renamed to {}", unfinished.display(), folder.display())
            })
        })
        .with_context(|| format!("{} {} could not be installed", tool.title, tool.version))?;
        Ok(folder)
    }

    fn folder_of(&self, tool: &Tool<'_>) -> PathBuf {
        self.folder.join("tools").join(format!("{}-{}", tool.name, tool.version))
    }

    /// An empty folder for what is not to stay.
    fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join("tmp").join(name);
        remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    }

    fn lock(&self) -> Result<File> {
        let path = self.folder.join("lock");
        let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => say("Another clone is installing tools: waiting for it …"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
            }
        }
        file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(file)
    }
}

/// `PATH` with these folders before the rest.
///
/// # Errors
/// When a folder's name holds a colon.
pub(crate) fn path_with(first: &[PathBuf]) -> Result<OsString> {
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(first.iter().cloned().chain(env::split_paths(&rest)))
        .context("The cache folder's name holds a colon: set XDG_CACHE_HOME to another")
}

/// A program of this name in `PATH`, or where root's programs are.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let for_root = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(for_root).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.with_extension(env::consts::EXE_EXTENSION).is_file()
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const TOOL: Tool<'_> =
        Tool { name: "hammer", version: "1.0", proof: "bin/hammer", title: "Hammer", duration: "at once" };

    #[test]
    fn a_tool_is_installed_once() {
        let cache = cache("once");
        let folder = cache.install(&TOOL, make).expect("it can be made");
        assert!(folder.join("bin/hammer").is_file());
        let again = cache.install(&TOOL, |_| bail!("it is there")).expect("nothing is to be done");
        assert_eq!(again, folder);
    }

    #[test]
    fn clones_that_install_at_once_wait_for_each_other() {
        let cache = cache("at-once");
        let installs = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let install = |folder: &Path| {
                        installs.fetch_add(1, Ordering::Relaxed);
                        make(folder)
                    };
                    cache.install(&TOOL, install).expect("it can be made");
                });
            }
        });
        assert_eq!(installs.into_inner(), 1);
    }

    #[test]
    fn an_interrupted_installation_is_begun_anew() {
        let cache = cache("interrupted");
        let broken = cache.install(&TOOL, |folder| {
            fs::write(folder.join("half"), "")?;
            bail!("the power went out")
        });
        assert!(format!("{:#}", broken.expect_err("it failed")).contains("the power went out"));
        let folder = cache.install(&TOOL, make).expect("it can be made");
        assert!(folder.join("bin/hammer").is_file() && !folder.join("half").exists());
    }

    #[test]
    fn an_installation_without_its_program_is_refused() {
        let cache = cache("hollow");
        let hollow = cache.install(&TOOL, |_| Ok(()));
        assert!(format!("{:#}", hollow.expect_err("nothing was made")).contains("bin/hammer"));
    }

    fn make(folder: &Path) -> Result<()> {
        fs::create_dir(folder.join("bin"))?;
        Ok(fs::write(folder.join("bin/hammer"), "")?)
    }

    fn cache(name: &str) -> Cache {
        let folder = env::temp_dir().join(format!("soundport-xtask-{}-{name}", std::process::id()));
        remove(&folder).expect("the temporary folder is ours");
        fs::create_dir_all(folder.join("tools")).expect("the temporary folder is ours");
        Cache { folder }
    }
}
