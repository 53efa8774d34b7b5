//! The doctor: each cause of silence is made, and is named with its remedy by the relay and by `soundport doctor`.

mod machine;
mod sessions;
mod sources;

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use soundport_api::{Check, Checkup, Diagnosis, Finding, PlaybackState, SessionDiagnosis, Verdict};
use soundport_tests::{
    AudioServer, Host, Relay, Request, Site, Tone, ToneSender, ToneSenderOptions, report, wait_for,
};
use tempfile::TempDir;

/// Announcements come every five seconds, and a rate is measured for three.
const LIMIT: Duration = Duration::from_secs(20);

const SOURCE: &str = "desktop";

/// A configuration in a folder of its own.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn with(text: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("soundport.toml"), text)?;
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self) -> Vec<String> {
        vec!["--config".to_owned(), self.path("soundport.toml").display().to_string()]
    }
}

/// The tone as a file to play.
struct Wav(TempDir);

impl Wav {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Tone::write_wav(&folder.path().join("tone.wav"), 60)?;
        Ok(Self(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tone.wav")
    }
}

fn relay_with_tone() -> Result<(Relay, ToneSender)> {
    let relay = Relay::start()?;
    let tone = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(Site::SOURCE)?;
    Ok((relay, tone))
}

fn pactl(pulse: &AudioServer, words: &str) -> Result<String> {
    let output = pulse.client("pactl").args(words.split(' ')).output()?;
    ensure!(output.status.success(), "pactl {words}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// `soundport doctor` on a host where no relay runs.
fn doctor(host: &Host, folder: &Folder, arguments: &[&str]) -> Result<Output> {
    let mut command = host.command(Relay::program()?);
    command.current_dir(folder.folder.path()).arg("doctor").args(arguments).args(folder.arguments());
    command.output().context("Failed to run soundport doctor")
}

/// Waits until the first trouble of a source is this one, and checks that `soundport doctor` says so as well.
fn names(relay: &Relay, id: &str, check: Check, words: &[&str], remedy: &str) -> Result<()> {
    let mut last = None;
    let finding = wait_for(&format!("the doctor to name {check:?}"), LIMIT, || {
        if relay.source(id)?.is_none() {
            return Ok(None);
        }
        let diagnosis = relay.diagnosis(id, &[])?;
        let first = diagnosis.findings.iter().find(|finding| finding.verdict == Verdict::Trouble).cloned();
        let is_it = |finding: &Finding| {
            finding.check == check
                && words.iter().all(|word| finding.said.contains(word))
                && diagnosis.summary == finding.said
        };
        last = Some(diagnosis.clone());
        Ok(first.filter(is_it))
    })
    .with_context(|| format!("at last it said {last:#?}"))?;
    report(&serde_json::to_string(&finding)?);
    let told = finding.remedy.unwrap_or_default();
    ensure!(told.contains(remedy), "the remedy is not {remedy:?}: {told}");
    said(&relay.doctor(&[id])?, 1, &[words, &[remedy]].concat())
}

/// Waits until nothing is wrong in this respect.
fn well(relay: &Relay, id: &str, check: Check) -> Result<Finding> {
    let mut last = None;
    wait_for(&format!("{check:?} to be well"), LIMIT, || {
        let diagnosis: Diagnosis = relay.diagnosis(id, &[])?;
        let found = diagnosis.findings.iter().find(|finding| finding.check == check).cloned();
        last = Some(diagnosis);
        Ok(found.filter(|finding| finding.verdict == Verdict::Well))
    })
    .with_context(|| format!("at last it said {last:#?}"))
}

fn of(findings: &[Finding], check: Check) -> Result<&Finding> {
    findings
        .iter()
        .find(|finding| finding.check == check)
        .with_context(|| format!("no {check:?} in {findings:?}"))
}

fn session_of(relay: &Relay, name: &str) -> Result<SessionDiagnosis> {
    let sessions = relay.diagnosis(Site::SOURCE, &[name])?.sessions;
    sessions.into_iter().find(|session| session.own).context("the session is not told of")
}

fn checkup(relay: &Relay) -> Result<Checkup> {
    let answer = relay.http().get("/api/doctor")?;
    ensure!(answer.status == 200, "the doctor answered {}: {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).with_context(|| answer.text())
}

fn tell(relay: &Relay, session: &str, state: PlaybackState) -> Result<()> {
    let body = serde_json::to_vec(&json!({ "state": state }))?;
    let answer = put(relay, session, "application/json", &body)?;
    ensure!(answer == 204, "answered {answer}");
    Ok(())
}

fn put(relay: &Relay, session: &str, media_type: &str, body: &[u8]) -> Result<u16> {
    let request = Request::new("PUT", &format!("/api/sessions/{session}/playback")).body(media_type, body);
    let answer = relay.http().send(&request)?;
    if answer.status >= 400 {
        answer.problem()?;
    }
    Ok(answer.status)
}

/// Checks that nobody learns a session's name, or a listener's address.
fn keeps_to_itself(relay: &Relay, names: &[&str]) -> Result<()> {
    for path in [&format!("/api/sources/{}/doctor", Site::SOURCE), "/api/doctor"] {
        let text = relay.http().get(path)?.text();
        ensure!(names.iter().all(|name| !text.contains(name)), "{path} tells a session's name: {text}");
    }
    Ok(())
}

/// Checks what `soundport doctor` said, and how it ended.
fn said(output: &Output, code: i32, words: &[&str]) -> Result<()> {
    says(output, words)?;
    ensure!(
        output.status.code() == Some(code),
        "it ended with {:?}, not {code}: {output:?}",
        output.status.code()
    );
    Ok(())
}

fn says(output: &Output, words: &[&str]) -> Result<()> {
    let text = String::from_utf8_lossy(&output.stdout);
    let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
    ensure!(missing.is_empty(), "soundport doctor does not say {missing:?}: {text}");
    Ok(())
}
