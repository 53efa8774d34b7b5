use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};

use super::succeed;
use crate::report;

/// As `FROM` in the recipes names it.
const BASE: &str = "docker.io/library/debian:bookworm-slim";
const RELEASE: &str = "bookworm";
/// What the slim images of Debian leave out.
const LEFT_OUT: [&str; 4] =
    ["var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"];

static STORE: OnceLock<Store> = OnceLock::new();
static OPENING: Mutex<()> = Mutex::new(());

/// Images in the user's cache folder, from which containers are run as well: for one test program at a time.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// The store, once no other program uses it. It is kept until this one ends.
    pub(super) fn open() -> Result<&'static Self> {
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = STORE.get() {
            return Ok(store);
        }
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        let folder = cache.context("neither XDG_CACHE_HOME nor HOME is set")?.join("soundport/podman");
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().context("Failed to wait for podman's images")?;
        let storage = folder.join("storage");
        fs::write(
            folder.join("storage.conf"),
            format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = {storage:?}\nrunroot = \"/run/containers/storage\"\n"
            ),
        )?;
        // Everything that podman keeps while it runs lies in `/run`, which is each test's own.
        fs::write(
            folder.join("containers.conf"),
            "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=20000:20000\"]\n\
             [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\ntmp_dir = \"/run/libpod\"\n\
             [network]\nnetwork_config_dir = \"/run/libpod/networks\"\n",
        )?;
        Ok(STORE.get_or_init(|| Self { folder, _lock: lock }))
    }

    /// Has podman find this store and no other.
    pub(super) fn address(&self, command: &mut Command) {
        command.env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.folder.join("storage.conf"));
    }

    /// Makes the image that the recipes begin with, of Debian's own packages, unless it is there.
    pub(super) fn make_base(&self, command: impl Fn(&str) -> Command) -> Result<()> {
        if command("podman").args(["image", "exists", BASE]).status()?.success() {
            return Ok(());
        }
        report("making the image of Debian, once per machine (about a minute)");
        let root = self.folder.join("root");
        remove(&root)?;
        succeed(command("debootstrap").args(["--variant=minbase", RELEASE]).arg(&root))?;
        for folder in LEFT_OUT {
            remove(&root.join(folder))?;
        }
        let mut tar = command("tar").arg("-C").arg(&root).args(["-c", "."]).stdout(Stdio::piped()).spawn()?;
        let content = tar.stdout.take().context("there is no pipe from tar")?;
        succeed(command("podman").args(["import", "-", BASE]).stdin(content))?;
        ensure!(tar.wait()?.success(), "tar failed");
        remove(&root)
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("Failed to remove {}", folder.display()))?;
    }
    Ok(())
}
