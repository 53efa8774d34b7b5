//! What `cargo xtask dist` packs of a relay, as those find it who install it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Relay, output};

/// The folder that is packed into, and what is in it.
struct Packed {
    folder: tempfile::TempDir,
}

impl Packed {
    fn make() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut dist = Command::new(xtask()?);
        dist.args(["dist", "--relay"]).arg(Relay::program()?).arg("--into").arg(folder.path());
        output(&mut dist)?;
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The one file whose name ends so.
    fn ending(&self, ending: &str) -> Result<PathBuf> {
        let files = std::fs::read_dir(self.folder.path())?.flatten().map(|entry| entry.path());
        let mut found = files.filter(|path| path.to_string_lossy().ends_with(ending));
        found.next().with_context(|| format!("there is no {ending}"))
    }
}

/// The program of `cargo xtask`, which lies beside the relay's.
fn xtask() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let profile = here.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let program = profile.context("not run from a target folder")?.join("xtask");
    if !program.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        output(Command::new(cargo).args(["build", "--package", "xtask"]))?;
    }
    Ok(program)
}

fn holds(text: &str, words: &[&str]) -> Result<()> {
    words.iter().try_for_each(|word| {
        ensure!(text.contains(word), "no {word:?} in {text}");
        Ok(())
    })
}

#[test]
fn all_that_is_promised_is_packed_and_works() -> Result<()> {
    let packed = Packed::make()?;
    check_files(&packed)?;
    check_package(&packed)
}

fn check_files(packed: &Packed) -> Result<()> {
    let sums = std::fs::read_to_string(packed.path("SHA256SUMS"))?;
    let names = ["soundport\n", "soundport.1\n", ".deb\n", "soundport-page-", "completions/soundport.fish\n"];
    holds(&sums, &names)?;
    output(
        Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(packed.folder.path()),
    )?;

    let page = output(Command::new("tar").arg("-tzf").arg(packed.ending(".tar.gz")?))?;
    holds(&page, &["./index.html", ".wasm", "./lazy/stream.js"])?;

    // As bash does when somebody presses Tab.
    let complete = "source \"$0\"; COMP_WORDS=(soundport serve --ht); COMP_CWORD=2; \
                    _soundport soundport --ht serve; echo \"${COMPREPLY[@]}\"";
    let script = packed.path("completions/soundport.bash");
    let completed = output(Command::new("bash").args(["-c", complete]).arg(script))?;
    holds(&completed, &["--https", "--http"])?;
    let zsh = std::fs::read_to_string(packed.path("completions/_soundport"))?;
    ensure!(zsh.starts_with("#compdef soundport"), "zsh would not take it: {zsh}");

    let mut man = Command::new("man");
    man.args(["--warnings", "--local-file"]).arg(packed.path("soundport.1"));
    let manual = man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "400").env_remove("MANPAGER").output()?;
    let warnings = String::from_utf8_lossy(&manual.stderr).into_owned();
    ensure!(manual.status.success() && warnings.is_empty(), "man says: {warnings}");
    holds(
        &String::from_utf8_lossy(&manual.stdout),
        &["SYNOPSIS", "--https", "SOUNDPORT_HTTPS", "completions"],
    )
}

/// The Debian package installs, and what it brings runs.
fn check_package(packed: &Packed) -> Result<()> {
    let package = packed.ending(".deb")?;
    let about = output(Command::new("dpkg-deb").arg("--info").arg(&package))?;
    holds(&about, &["Package: soundport", "Depends: libc6 (>= 2.", "Installed-Size: "])?;

    let kept = output(Command::new("dpkg-deb").arg("--info").arg(&package).arg("conffiles"))?;
    ensure!(kept == "/etc/soundport/soundport.toml\n", "kept for the user: {kept:?}");

    // Into a folder of its own: this machine's packages are none of a test's business.
    let root = tempfile::tempdir()?;
    std::fs::create_dir_all(root.path().join("var/lib/dpkg/updates"))?;
    std::fs::create_dir_all(root.path().join("var/lib/dpkg/info"))?;
    for file in ["status", "available"] {
        std::fs::write(root.path().join("var/lib/dpkg").join(file), "")?;
    }
    let dpkg = |arguments: &[&str]| -> Result<String> {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", root.path().display()));
        // The folder holds no C library, and no shell to run scripts in.
        dpkg.args(["--force-depends", "--force-not-root", "--force-script-chrootless"]);
        output(dpkg.args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
    };
    dpkg(&["--install", &package.display().to_string()])?;
    let status = dpkg(&["--status", "soundport"])?;
    holds(&status, &["Status: install ok installed"])?;
    let program = root.path().join("usr/bin/soundport");
    let version = output(Command::new(&program).arg("--version"))?;
    check_version(&version)?;
    let configuration = root.path().join("etc/soundport/soundport.toml");
    output(Command::new(&program).args(["check", "--config"]).arg(&configuration))?;
    for file in [
        "usr/share/man/man1/soundport.1.gz",
        "usr/share/bash-completion/completions/soundport",
        "usr/share/zsh/vendor-completions/_soundport",
        "usr/share/fish/vendor_completions.d/soundport.fish",
        "usr/share/doc/soundport/copyright",
        "usr/share/doc/soundport/changelog.gz",
    ] {
        let mode = std::fs::metadata(root.path().join(file)).with_context(|| format!("no {file}"))?;
        ensure!(mode.permissions().mode() & 0o777 == 0o644, "{file} cannot be read by everybody");
    }
    // What the user has changed is the user's.
    std::fs::write(&configuration, "demo = true\n")?;
    dpkg(&["--remove", "soundport"])?;
    ensure!(!program.exists() && configuration.is_file(), "the program stays, or the configuration goes");
    Ok(())
}

#[test]
fn the_version_tells_of_commit_and_build() -> Result<()> {
    check_version(&output(Command::new(Relay::program()?).arg("--version"))?)
}

/// `soundport 0.1.0 (1a2b3c4d5e 2026-11-28, debug, x86_64-linux)`, without the commit where there is no repository.
fn check_version(line: &str) -> Result<()> {
    let (words, build) = line.trim().split_once(" (").context("no build")?;
    let (name, number) = words.split_once(' ').context("no number")?;
    ensure!(name == "soundport" && number.split('.').count() == 3, "{line}");
    let parts: Vec<&str> = build.trim_end_matches(')').split(", ").collect();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.git").exists();
    if let [commit, _, _] = parts.as_slice() {
        let (hash, date) = commit.split_once(' ').context("no date")?;
        ensure!(hash.len() >= 10 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash} is no commit");
        ensure!(date.len() == 10 && date.split('-').count() == 3, "{date} is no date");
    } else {
        ensure!(!top, "there is a repository, and no commit in {line}");
    }
    let (profile, system) = (parts[parts.len() - 2], parts[parts.len() - 1]);
    ensure!(["debug", "release"].contains(&profile) && system.contains('-'), "{line}");
    ensure!(!line.contains('/'), "{line} names a place");
    Ok(())
}
