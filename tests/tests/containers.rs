//! The recipes of `deploy`, as they stand: images, the compose file and Kubernetes' manifest, run by podman.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::{Source, SourceState};
use soundport_tests::{
    Browser, BrowserOptions, Microphone, Podman, Process, Recording, Tolerance, Used, best_of_three, long,
    report, turn, wait_for, wait_until,
};
use tempfile::TempDir;

const PAGE: &str = "https://localhost:8443";
const LIMIT: Duration = Duration::from_secs(30);
/// What is played for each ear, as other tests know it.
const EARS_HZ: [f64; 2] = [440.0, 880.0];
/// What is said for each ear. Whole periods in ten milliseconds for one ear, not for the other: no loss goes unseen.
const HZ: [f64; 2] = [700.0, 707.0];

/// What is played in the container, and what is said at the page.
struct Sounds(TempDir);

impl Sounds {
    fn new() -> Result<Self> {
        let sounds = Self(tempfile::tempdir()?);
        // Longer than any test listens: where it ends and begins anew, a player pauses.
        Recording::tones(EARS_HZ[0], EARS_HZ[1], if long() { 900 } else { 180 })
            .write_wav(&sounds.played())?;
        Recording::tones(HZ[0], HZ[1], 90).write_wav(&sounds.said())?;
        Ok(sounds)
    }

    fn played(&self) -> PathBuf {
        self.0.path().join("played.wav")
    }

    fn said(&self) -> PathBuf {
        self.0.path().join("said.wav")
    }
}

#[test]
fn a_container_of_the_compose_file_is_heard_and_spoken_into() -> Result<()> {
    let _turn = turn();
    let podman = Podman::start()?;
    podman.build()?;
    let sounds = Sounds::new()?;
    podman.compose(&[("SOUND", &text(&sounds.played()))], &["up", "--detach"])?;
    let relay = "soundport_relay_1";
    wait_until("a healthy relay", LIMIT, || Ok(podman.run(&format!("healthcheck run {relay}")).is_ok()))?;
    is_heard_and_spoken_into(&podman, &sounds, "desktop", "soundport_desktop_1")?;
    let writable =
        podman.inspect(relay, "{{.HostConfig.ReadonlyRootfs}} {{.Config.User}} {{.EffectiveCaps}}")?;
    ensure!(
        writable == "true 65532:65532 []",
        "the relay may write, is root, or has capabilities: {writable}"
    );

    // The same beside it with PipeWire.
    let played = sounds.played();
    podman.run(&format!(
        "run --detach --network=soundport_default --name=studio --hostname=studio --env=SOUNDPORT_RELAY=relay \
         --volume={}:/sound:ro soundport-pipewire paplay /sound",
        played.display()
    ))?;
    is_heard_and_spoken_into(&podman, &sounds, "studio", "studio")
}

#[test]
fn a_relay_that_comes_later_or_moves_is_found_and_a_server_that_died_is_started_again() -> Result<()> {
    const APPS: [(&str, &str); 2] = [("kiosk", "pulseaudio"), ("studio", "pipewire")];
    let _turn = turn();
    let podman = Podman::start()?;
    podman.build()?;
    let sounds = Sounds::new()?;
    podman.run("network create --subnet=10.77.0.0/24 room")?;
    let run = "run --detach --network=room";
    for (app, server) in APPS {
        podman.run(&format!(
            "{run} --name={app} --hostname={app} --env=SOUNDPORT_RELAY=relay soundport-{server}"
        ))?;
        says_in_time(&podman, app, "nobody knows")?;
    }
    for address in ["10.77.0.100", "10.77.0.200"] {
        podman.run("rm --force --ignore --time=0 relay")?;
        podman.run(&format!("{run} --name=relay --ip={address} soundport-relay"))?;
        for (app, _) in APPS {
            says_in_time(&podman, app, address)?;
            is_live(&podman, &sounds, &format!("https://{address}:8443"), app)?;
        }
    }
    for (app, server) in APPS {
        podman.podman(&["exec", app, "sh", "-c", &format!("kill -9 $(pidof {server})")])?;
        says_in_time(&podman, app, "is started again")?;
        is_live(&podman, &sounds, "https://10.77.0.200:8443", app)?;
    }
    Ok(())
}

#[test]
fn a_pod_of_kubernetes_is_heard_within_its_limits() -> Result<()> {
    let _turn = turn();
    let podman = Podman::start()?;
    podman.build()?;
    let sounds = Sounds::new()?;
    let manifest = text(&podman.recipes().join("kubernetes.yaml"));
    podman.run(&format!("kube play {manifest}"))?;
    let (app, relay) = ("desktop-pod-0-app", "desktop-pod-0-relay");
    let _playing = plays(&podman, &sounds, app)?;
    is_heard_and_spoken_into(&podman, &sounds, "desktop", app)?;

    let length = Duration::from_secs(if long() { 600 } else { 20 });
    podman.host().inside(|| {
        let browser = Browser::start()?;
        browser.listen(PAGE, "desktop")?;
        browser.wait_way("desktop", "udp", LIMIT)?;
        browser.wait_tone(LIMIT)?;
        let before = podman.used(relay)?;
        let heard = hears_evenly(&browser, length);
        tell(before, podman.used(relay)?);
        heard?;
        browser.close()
    })?;
    let ended = podman.inspect(relay, "{{.RestartCount}} {{.State.OOMKilled}} {{.State.Running}}")?;
    ensure!(ended == "0 false true", "the relay was restarted, ran out of memory, or ended: {ended}");
    let limits = podman.inspect(relay, "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}")?;
    ensure!(limits == format!("{} 50000000", 16 << 20), "the limits are {limits}");
    Ok(())
}

#[test]
fn what_is_missing_is_told_in_one_sentence() -> Result<()> {
    let _turn = turn();
    let podman = Podman::start()?;
    podman.build()?;
    for kind in ["pulseaudio", "pipewire"] {
        let image = format!("soundport-{kind}");
        let run = ["run", "--rm", "--network=none"];
        let relay = "--env=SOUNDPORT_RELAY=127.0.0.1";
        says(&podman, &[&run[..], &[&image, "true"]].concat(), "SOUNDPORT_RELAY is not set")?;
        says(
            &podman,
            &[&run[..], &[relay, &image, "no-such-app"]].concat(),
            "There is no program no-such-app",
        )?;
        says(
            &podman,
            &[&run[..], &[relay, "--read-only", "--read-only-tmpfs=false", &image, "true"]].concat(),
            "mount something writable",
        )?;
        let lacking = format!("--volume={}:/usr/local/lib/soundport:ro", recipe(&podman, kind)?.display());
        let start = [
            "--entrypoint=[\"sh\", \"/usr/local/lib/soundport/entrypoint.sh\"]",
            "debian:bookworm-slim",
            "true",
        ];
        says(
            &podman,
            &[&run[..], &[relay, &lacking], &start].concat(),
            &format!("There is no {kind} in this image"),
        )?;
        let foreign = format!("--volume={}:/app:ro", foreign(&podman)?.display());
        says(
            &podman,
            &[&run[..], &[relay, &foreign, &image, "/app"]].concat(),
            "built for another processor",
        )?;
        // The app is not kept from running by a relay that is not there yet.
        let said = podman.podman(
            &[
                &run[..],
                &["--env=SOUNDPORT_RELAY=nowhere.test", &image, "sh", "-c", "pactl get-default-sink"],
            ]
            .concat(),
        )?;
        ensure!(said.trim() == "out", "the app's loudspeaker is {said}");
    }
    let relay = text(&podman.recipes().join("relay"));
    let program = podman.recipes().join("relay/soundport");
    let build = ["build", "--network=host", "--tag=broken", relay.as_str()];
    std::fs::copy(foreign(&podman)?, &program)?;
    says(&podman, &build, "does not run on Debian")?;
    std::fs::remove_file(&program)?;
    says(&podman, &build, "There is no program soundport in deploy/relay")
}

/// Listens in Chromium, talks from it, and hears both arrive.
fn is_heard_and_spoken_into(podman: &Podman, sounds: &Sounds, source: &str, container: &str) -> Result<()> {
    let recorder = podman.parec(container)?;
    let microphone = Microphone::Wav(sounds.said());
    podman.host().inside(|| {
        let browser = Browser::with(&BrowserOptions { microphone, ..BrowserOptions::default() })?;
        let first =
            browser.listen(PAGE, source).with_context(|| podman.log(container).unwrap_or_default())?;
        browser.wait_way(source, "udp", LIMIT)?;
        best_of_three(|| browser.record(Duration::from_secs(2))?.part(1.0, 1.0).check_ears())?;
        browser.act(source, "talk-raw")?;
        browser.act(source, "talk")?;
        browser.wait_talk(source, "live")?;
        for (ear, hz) in HZ.into_iter().enumerate() {
            recorder.wait_tone(ear, hz, 0.4, LIMIT)?;
        }
        report(&format!("{source} is heard {first:.2?} after the click, and hears who talks"));
        browser.close()
    })
}

/// Hears the tone for so long, part by part, without a gap.
fn hears_evenly(browser: &Browser, length: Duration) -> Result<()> {
    const PART: Duration = Duration::from_secs(5);
    let mut heard = Duration::ZERO;
    while heard < length {
        best_of_three(|| {
            let recording = browser.record(PART)?;
            for (ear, hz) in EARS_HZ.into_iter().enumerate() {
                recording
                    .flaws(ear, hz, Tolerance::STRICT)
                    .none()
                    .with_context(|| format!("{hz} Hz, after {heard:.0?}"))?;
            }
            Ok(())
        })?;
        heard += PART;
    }
    report(&format!("{heard:.0?} are heard without a flaw"));
    Ok(())
}

fn tell(before: Used, after: Used) {
    let mebibytes = after.most_bytes as f64 / f64::from(1 << 20);
    let (cpu, throttled) = (after.cpu - before.cpu, after.throttled - before.throttled);
    report(&format!(
        "the relay had {mebibytes:.1} MiB at most, took {cpu:.2?} of a processor and waited {throttled:.2?} for more"
    ));
}

/// Waits until a container has said these words.
fn says_in_time(podman: &Podman, container: &str, words: &str) -> Result<()> {
    wait_until(&format!("{container} to say {words:?}"), LIMIT, || Ok(podman.log(container)?.contains(words)))
        .with_context(|| podman.log(container).unwrap_or_default())
        .map(|_| ())
}

/// Plays in a container of that name until the relay says that it is live. A server that starts takes no player at first.
fn is_live(podman: &Podman, sounds: &Sounds, relay: &str, container: &str) -> Result<()> {
    let list = format!("{relay}/api/sources");
    let mut playing = plays(podman, sounds, container)?;
    wait_for(&format!("{container} to be live"), LIMIT, || {
        if playing.ended()?.is_some() {
            playing = plays(podman, sounds, container)?;
        }
        let output = podman.host().command("curl").args(["--silent", "--insecure", &list]).output()?;
        let sources: Vec<Source> = serde_json::from_slice(&output.stdout)?;
        let is_live =
            sources.iter().any(|source| source.id == container && source.state == SourceState::Live);
        Ok(is_live.then_some(()))
    })
    .with_context(|| podman.log(container).unwrap_or_default())
}

/// An unmodified `paplay` in a container.
fn plays(podman: &Podman, sounds: &Sounds, container: &str) -> Result<Process> {
    podman.wait_server(container)?;
    let raw = ["paplay", "--raw", "--format=s16le", "--rate=48000", "--channels=2"];
    Process::start_from("paplay", &mut podman.exec(container, &raw), File::open(sounds.played())?)
}

/// Fails to run podman, and is told why in one line of ours.
fn says(podman: &Podman, arguments: &[&str], words: &str) -> Result<()> {
    let said = podman.refusal(arguments)?;
    let ours: Vec<&str> = said.lines().filter(|line| line.starts_with("soundport: ")).collect();
    ensure!(ours.len() == 1 && ours[0].contains(words), "{words:?} is not told in one sentence: {said}");
    report(ours[0]);
    Ok(())
}

/// What the image of that kind has in `/usr/local/lib/soundport`.
fn recipe(podman: &Podman, kind: &str) -> Result<PathBuf> {
    let folder = podman.recipes().join(format!("{kind}-alone"));
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(podman.recipes().join("entrypoint.sh"), folder.join("entrypoint.sh"))?;
    std::fs::copy(podman.recipes().join(kind).join("server.sh"), folder.join("server.sh"))?;
    Ok(folder)
}

/// A program for a processor that this machine has not.
fn foreign(podman: &Podman) -> Result<PathBuf> {
    /// Where the header of an ELF file names the processor, and two that are not the same.
    const MACHINE: usize = 18;
    const PROCESSORS: [u8; 2] = [8, 15];
    let path = podman.recipes().join("foreign");
    std::fs::copy("/bin/true", &path)?;
    let mut program = std::fs::read(&path)?;
    program[MACHINE] = PROCESSORS[usize::from(program[MACHINE] == PROCESSORS[0])];
    std::fs::write(&path, program)?;
    Ok(path)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
