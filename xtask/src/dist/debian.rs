//! The Debian package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::files::{gzip, list, output, write};
use super::{COMPLETIONS, MANUAL, Version};
use crate::progress::run_quietly;

/// Where each shell looks for completions.
const COMPLETION_FOLDERS: [&str; 3] = [
    "usr/share/bash-completion/completions",
    "usr/share/zsh/vendor-completions",
    "usr/share/fish/vendor_completions.d",
];

const DOC: &str = "usr/share/doc/soundport";
/// The user's own once it is there: dpkg leaves alone what was changed in it.
const CONFIGURATION: &str = "etc/soundport/soundport.toml";

const UNIT: &str = "deploy/soundport.service";

/// What dpkg runs after the files are there: systemd is told of another unit, and a relay that runs is the new one.
/// Nothing is started that its owner did not start.
const AFTER_INSTALLING: &str = "#!/bin/sh
set -e
if [ -z \"$DPKG_ROOT\" ] && [ \"$1\" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart soundport.service
fi
";

/// And before they are taken away.
const BEFORE_REMOVING: &str = "#!/bin/sh
set -e
if [ -z \"$DPKG_ROOT\" ] && [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --quiet disable --now soundport.service
fi
";

/// Makes the package of what lies in `folder` already, and puts it there.
///
/// # Errors
/// When a file is missing, or dpkg-deb fails.
pub(super) fn make(top: &Path, folder: &Path, version: &Version) -> Result<PathBuf> {
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = String::from_utf8(architecture)?.trim().to_owned();
    let root = folder.join("debian");
    fill(top, folder, &root)?;
    let control = control(&fs::read(folder.join("soundport"))?, &root, &version.number, &architecture)?;
    write(&root.join("DEBIAN/control"), control.as_bytes())?;

    let package = folder.join(format!("soundport_{}_{architecture}.deb", version.number));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "-z3", "--build"]).args([&root, &package]);
    run_quietly(build.env("SOURCE_DATE_EPOCH", version.seconds.to_string()))?;
    fs::remove_dir_all(&root)?;
    Ok(package)
}

/// Lays out the files as they are to lie on the machine.
fn fill(top: &Path, folder: &Path, root: &Path) -> Result<()> {
    let read = |file: PathBuf| fs::read(&file).with_context(|| format!("{} cannot be read", file.display()));
    let doc = root.join(DOC);
    for (file, content) in [
        (root.join("usr/bin/soundport"), read(folder.join("soundport"))?),
        (root.join("usr/share/man/man1/soundport.1.gz"), gzip(&folder.join(MANUAL))?),
        (doc.join("changelog.gz"), gzip(&top.join("CHANGELOG.md"))?),
        (doc.join("copyright"), copyright(&read(top.join("LICENSE-MIT"))?).into_bytes()),
        (root.join(CONFIGURATION), read(top.join("deploy/soundport.example.toml"))?),
        (root.join("DEBIAN/conffiles"), format!("/{CONFIGURATION}\n").into_bytes()),
    ] {
        write(&file, &content)?;
    }
    for ((shell, name), place) in COMPLETIONS.iter().zip(COMPLETION_FOLDERS) {
        // Bash finds it by the program's name.
        let installed = if *shell == "bash" { "soundport" } else { name };
        write(&root.join(place).join(installed), &read(folder.join("completions").join(name))?)?;
    }
    if top.join(UNIT).is_file() {
        write(&root.join("usr/lib/systemd/system/soundport.service"), &read(top.join(UNIT))?)?;
        write(&root.join("DEBIAN/postinst"), AFTER_INSTALLING.as_bytes())?;
        write(&root.join("DEBIAN/prerm"), BEFORE_REMOVING.as_bytes())?;
    }
    let sums = list(&root.join("usr"))?.into_iter().map(|name| format!("usr/{name}"));
    let sums = output(Command::new("md5sum").args(sums).current_dir(root))?;
    write(&root.join("DEBIAN/md5sums"), &sums)?;
    allow(root)
}

/// Everybody may read everything, and run what is a program.
#[cfg(unix)]
fn allow(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let is_program =
        ["usr/bin/soundport", "DEBIAN/postinst", "DEBIAN/prerm"].iter().any(|name| path.ends_with(name));
    let mode = if path.is_dir() || is_program { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if path.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| allow(&entry?.path()))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn allow(_: &Path) -> Result<()> {
    Ok(())
}

/// The fields of the package (Debian Policy, section 5.3).
fn control(program: &[u8], root: &Path, version: &str, architecture: &str) -> Result<String> {
    let mut bytes = 0;
    for name in list(root)? {
        bytes += fs::metadata(root.join(name))?.len();
    }
    Ok(format!(
        "Package: soundport
Version: {version}
Architecture: {architecture}
Maintainer: The Soundport contributors <soundport@users.noreply.github.com>
Installed-Size: {}
Depends: libc6 (>= {}), libgcc-s1
Section: sound
Priority: optional
Homepage: {}
Description: hear what plays inside your containers in a browser tab
 Soundport takes the sound of containers by RTP, encodes it once, and lets any
 number of browsers hear it by WebRTC; what their microphones hear goes back
 into the container. One program, with its page inside.
",
        bytes.div_ceil(1024),
        libc_version(program).context("the relay does not say which C library it needs")?,
        env!("CARGO_PKG_REPOSITORY"),
    ))
}

/// The newest version of the C library that a program names.
fn libc_version(program: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"GLIBC_2.";
    let minor = |at: usize| {
        let digits: String = program[at + NAME.len()..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .map(|byte| char::from(*byte))
            .collect();
        digits.parse::<u32>().ok()
    };
    let named = program.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    named.filter_map(|(at, _)| minor(at)).max().map(|minor| format!("2.{minor}"))
}

/// As Debian reads it (copyright-format 1.0).
fn copyright(mit: &[u8]) -> String {
    let mit = String::from_utf8_lossy(mit);
    let (holders, license) = mit.split_once("\n\nPermission").unwrap_or(("", ""));
    let holders: Vec<&str> = holders.lines().filter_map(|line| line.strip_prefix("Copyright (c) ")).collect();
    let license: Vec<String> = format!("Permission{license}")
        .lines()
        .map(|line| if line.is_empty() { " .".to_owned() } else { format!(" {line}") })
        .collect();
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Soundport
Source: {}

Files: *
Copyright: {}
License: Expat or Apache-2.0

License: Expat
{}

License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
",
        env!("CARGO_PKG_REPOSITORY"),
        holders.join(", "),
        license.join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_c_library_is_needed() {
        assert_eq!(libc_version(b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0"), Some("2.34".into()));
        assert_eq!(libc_version(b"GLIBC_PRIVATE GLIBC_2."), None);
    }

    #[test]
    fn the_license_is_written_as_debian_reads_it() {
        let text = copyright(
            b"MIT License\n\nCopyright (c) 2026 Somebody\n\nPermission is granted.\n\nNo warranty.\n",
        );
        assert!(text.contains("Copyright: 2026 Somebody\n"), "{text}");
        assert!(text.contains("License: Expat\n Permission is granted.\n .\n No warranty.\n"), "{text}");
    }
}
