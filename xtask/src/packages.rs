//! Programs that come with the system: installed on Debian as root, named elsewhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::progress::{run_quietly, step};
use crate::tools::{find_program, python};

/// Something that must be there, the Debian package that brings it, and what it is for.
pub(crate) struct Need {
    what: What,
    package: &'static str,
    purpose: &'static str,
}

#[derive(Clone, Copy)]
enum What {
    Program(&'static str),
    GStreamer(&'static str),
    /// A file or folder, where it is no program that people start.
    File(&'static str),
    /// A device of ALSA's, as `arecord -L` lists it.
    Alsa(&'static str),
    Venv,
}

use What::{Alsa, File, GStreamer, Program, Venv};

/// What compiling needs.
pub(crate) const BUILD: &[Need] = &[
    need(Program("cc"), "gcc", "the C code of Opus and of the cryptography is compiled with it"),
    need(Program("c++"), "g++", "CMake looks for it"),
    need(Program("make"), "make", "CMake drives it"),
    need(Program("cmake"), "cmake", "the C code of Opus is configured with it"),
];

/// What packing needs.
pub(crate) const DIST: &[Need] = &[
    need(Program("tar"), "tar", "the page is packed with it"),
    need(Program("gzip"), "gzip", "the page and the manual are compressed with it"),
    need(Program("sha256sum"), "coreutils", "it makes the checksums"),
    need(Program("dpkg-deb"), "dpkg", "it makes the Debian package"),
];

/// What tests and benchmarks need besides.
pub(crate) const TEST: &[Need] = &[
    need(Program("npm"), "npm", "the browser tests' accessibility checks are an npm package"),
    need(Program("chromium"), "chromium", "the browser and end-to-end tests"),
    need(Program("chromedriver"), "chromium-driver", "the browser and end-to-end tests"),
    need(Program("pulseaudio"), "pulseaudio", "the end-to-end tests, as a sender"),
    need(Program("paplay"), "pulseaudio-utils", "the end-to-end tests, as a sender"),
    need(Program("gst-launch-1.0"), "gstreamer1.0-tools", "the end-to-end tests, as a sender"),
    need(GStreamer("audiotestsrc"), "gstreamer1.0-plugins-base", "GStreamer and PulseAudio as senders"),
    need(GStreamer("rtpL16pay"), "gstreamer1.0-plugins-good", "GStreamer and PulseAudio as senders"),
    need(Program("ffmpeg"), "ffmpeg", "the end-to-end tests, as a sender"),
    need(Program("pipewire"), "pipewire-bin", "the end-to-end tests, as a sender"),
    need(Program("pipewire-pulse"), "pipewire-pulse", "the end-to-end tests, as a sender"),
    need(
        Program("wireplumber"),
        "wireplumber",
        "the end-to-end tests, which connect PipeWire's parts with it",
    ),
    need(Program("arecord"), "alsa-utils", "the end-to-end tests, as an app that hears a microphone"),
    need(Alsa("pulse"), "libasound2-plugins", "the end-to-end tests, whose ALSA apps hear PulseAudio by it"),
    need(Program("firefox-esr"), "firefox-esr", "the end-to-end tests, which talk from it too"),
    need(Program("espeak-ng"), "espeak-ng", "the end-to-end tests, as somebody who speaks"),
    need(Program("turnserver"), "coturn", "the end-to-end tests, whose browsers go through TURN"),
    need(Program("nginx"), "nginx-light", "the end-to-end tests, as a proxy before the relay"),
    need(Program("caddy"), "caddy", "the end-to-end tests, as a proxy before the relay"),
    need(Program("podman"), "podman", "the end-to-end tests of the recipes"),
    need(Program("podman-compose"), "podman-compose", "the end-to-end tests of the recipes"),
    need(Program("runc"), "runc", "podman, which runs containers with it"),
    need(File("/usr/lib/podman/netavark"), "netavark", "podman, whose containers have a network by it"),
    need(File("/usr/lib/podman/aardvark-dns"), "aardvark-dns", "podman, whose containers have names by it"),
    need(Program("catatonit"), "catatonit", "podman, whose pods are held by it"),
    need(Program("iptables"), "iptables", "podman, which publishes ports by it"),
    need(
        Program("debootstrap"),
        "debootstrap",
        "the end-to-end tests of the recipes, whose images are Debian's",
    ),
    need(Program("systemd-analyze"), "systemd", "the end-to-end tests of the recipe for a service"),
    need(Program("curl"), "curl", "the end-to-end tests, as somebody who listens by hand"),
    need(Program("mpv"), "mpv", "the end-to-end tests, as a player"),
    need(Program("vlc"), "vlc-bin", "the end-to-end tests, as a player"),
    need(File("/usr/share/doc/vlc-plugin-base"), "vlc-plugin-base", "VLC, which plays nothing without"),
    need(Program("opusinfo"), "opus-tools", "the end-to-end tests, which look at recordings with it"),
    need(Program("man"), "man-db", "the end-to-end tests, which read the manual with it"),
    need(Program("dbus-run-session"), "dbus-daemon", "the end-to-end tests, whose PipeWire needs a bus"),
    need(Program("Xtigervnc"), "tigervnc-standalone-server", "the end-to-end tests, as a remote desktop"),
    need(Program("websockify"), "websockify", "the end-to-end tests, whose noVNC reaches its desktop by it"),
    need(Program("xev"), "x11-utils", "the end-to-end tests, as an app on a remote desktop"),
    need(Program("unshare"), "util-linux", "the end-to-end tests in containers"),
    need(Program("ip"), "iproute2", "the end-to-end tests in network namespaces"),
    need(Program("nft"), "nftables", "the end-to-end tests in network namespaces"),
    need(Venv, "python3-venv", "the end-to-end tests with aiortc"),
];

/// Packages that start a service where they are installed, and its name. Tests start their own: nobody asked for a server.
const SERVICES: [(&str, &str); 3] = [("caddy", "caddy"), ("coturn", "coturn"), ("nginx-light", "nginx")];

const fn need(what: What, package: &'static str, purpose: &'static str) -> Need {
    Need { what, package, purpose }
}

/// Makes sure that all of these are there.
///
/// # Errors
/// When some are missing and this is not Debian as root: the sentence names them; or when apt-get fails.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.what.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !(is_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default()) && is_root()) {
        bail!("{}", sentence(&missing));
    }
    let packages = names(&missing);
    let minutes = if packages.len() > 4 { "a few minutes" } else { "about a minute" };
    step(&format!("Installing {} with apt-get ({minutes})", packages.join(", ")), || {
        run_quietly(&mut apt_get(&["update"]))?;
        run_quietly(apt_get(&["install", "--yes", "--no-install-recommends"]).args(&packages))?;
        stop_services(&packages)
    })?;
    match missing.iter().find(|need| !need.what.is_there()) {
        Some(need) => bail!("{} is installed, but {} is still not found", need.package, need.what.name()),
        None => Ok(()),
    }
}

impl What {
    fn is_there(self) -> bool {
        match self {
            Program(name) => find_program(name).is_some(),
            GStreamer(element) => Command::new("gst-inspect-1.0")
                .args(["--exists", element])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
            Alsa(device) => Command::new("arecord")
                .arg("-L")
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .output()
                .is_ok_and(|output| {
                    output.stdout.split(|byte| *byte == b'\n').any(|line| line == device.as_bytes())
                }),
            File(path) => Path::new(path).exists(),
            Venv => python::base().is_ok(),
        }
    }

    fn name(self) -> String {
        match self {
            Program(name) | File(name) => name.to_owned(),
            GStreamer(element) => format!("GStreamer's {element}"),
            Alsa(device) => format!("ALSA's device {device}"),
            Venv => "Python 3.11 with venv".to_owned(),
        }
    }
}

fn sentence(missing: &[&Need]) -> String {
    let list: Vec<String> = missing
        .iter()
        .map(|need| format!("  {} (Debian's {}): {}", need.what.name(), need.package, need.purpose))
        .collect();
    format!(
        "Missing:\n{}\nInstall what is missing and start again; on Debian: `sudo apt-get install {}`.",
        list.join("\n"),
        names(missing).join(" ")
    )
}

fn names(missing: &[&Need]) -> Vec<&'static str> {
    let mut names: Vec<_> = missing.iter().map(|need| need.package).collect();
    names.dedup();
    names
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // Another apt-get, such as the daily update, is waited for.
    command
        .args(["--quiet", "-o", "DPkg::Lock::Timeout=600"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Stops what was started by these packages, now and at the next start of the machine, where systemd starts it.
fn stop_services(packages: &[&str]) -> Result<()> {
    let started = SERVICES.iter().filter(|(package, _)| packages.contains(package)).map(|(_, unit)| *unit);
    let units: Vec<&str> = started.collect();
    if units.is_empty() || !Path::new("/run/systemd/system").exists() {
        return Ok(());
    }
    run_quietly(Command::new("systemctl").args(["disable", "--now"]).args(units))
}

fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .any(|ids| ids.trim_matches('"').split(' ').any(|id| id == "debian"))
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::linux::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.st_uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_children_are_known() {
        assert!(is_debian("NAME=\"Debian GNU/Linux\"\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=\"debian\"\n"));
        assert!(!is_debian("ID=fedora\n"));
        assert!(!is_debian("ID=alpine\nHOME_URL=\"debian\"\n"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_package_and_purpose() {
        let missing = need(Program("no-such-program"), "some-package", "some tests");
        assert!(!missing.what.is_there());
        let text = sentence(&[&missing, &missing]);
        for word in ["no-such-program", "some tests", "`sudo apt-get install some-package`"] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn what_is_there_is_seen() {
        assert!(Program("sh").is_there());
        ensure(&[need(Program("sh"), "dash", "this test")]).expect("nothing is missing");
    }
}
