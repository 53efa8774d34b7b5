//! What keeps a source's sound from a listener.

use anyhow::{Context, Result, ensure};
use soundport_api::{Check, PlaybackState, StreamPurpose, Verdict};
use soundport_tests::{
    Browser, Coturn, Relay, RelayOptions, Request, Site, SpeechOptions, Way, WhepClient, WhipClient,
    opus_offer, report, turn, wait_for, wait_until,
};

use super::{LIMIT, keeps_to_itself, names, of, put, relay_with_tone, said, says, session_of, tell};

#[test]
fn a_session_that_no_check_reaches_is_told_what_to_open() -> Result<()> {
    let (relay, _tone) = relay_with_tone()?;
    let offer = Request::new("POST", &format!("/whep/{}", Site::SOURCE))
        .body("application/sdp", opus_offer(&["audio"]));
    let answer = relay.http().send(&offer)?;
    ensure!(answer.status == 201, "answered {}", answer.status);
    let name =
        answer.header("location").and_then(|at| at.rsplit('/').next()).context("no location")?.to_owned();
    let _other = WhepClient::listen(relay.http(), Site::SOURCE)?;
    let session = wait_for("the trouble", LIMIT, || {
        let sessions = relay.diagnosis(Site::SOURCE, &[&name])?.sessions;
        Ok(sessions.into_iter().find(|session| session.verdict == Verdict::Trouble))
    })?;
    let path = of(&session.findings, Check::Path)?;
    report(&format!("{path:?}"));
    let port = relay.media().port();
    ensure!(session.own && path.said.contains("No packet of this browser has arrived"), "{session:?}");
    let remedy = path.remedy.clone().unwrap_or_default();
    ensure!(remedy.contains("--announce HOST") && remedy.contains(&format!("{port}/udp")), "{remedy}");
    let diagnosis = relay.diagnosis(Site::SOURCE, &[&name])?;
    ensure!(diagnosis.summary == of(&diagnosis.sessions[0].findings, Check::Path)?.said, "{diagnosis:?}");
    ensure!(diagnosis.sessions.iter().filter(|session| session.own).count() == 1, "{diagnosis:?}");
    keeps_to_itself(&relay, &[&name])?;
    said(&relay.doctor(&[Site::SOURCE])?, 1, &["No packet of this browser has arrived", "--announce HOST"])
}

#[test]
fn a_browser_behind_a_firewall_is_told_of_and_then_heard_by_the_last_resort() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let announce = site.announce_both()?;
    let (relay, _sender) = site.relay_with_tone(&RelayOptions { announce, ..site.relay_options() })?;
    site.close(&[Way::Udp, Way::Tcp])?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        browser.open(&site.page())?;
        browser.act(Site::SOURCE, "listen")?;
        let trouble = wait_for("the firewall to be told of", LIMIT, || {
            let sessions = relay.diagnosis(Site::SOURCE, &[])?.sessions;
            let paths = sessions.iter().flat_map(|session| &session.findings);
            let mut found =
                paths.filter(|finding| finding.check == Check::Path && finding.verdict == Verdict::Trouble);
            Ok(found.next().cloned())
        })?;
        report(&format!("{trouble:?}"));
        ensure!(trouble.said.contains("No packet of this browser"), "{trouble:?}");
        ensure!(trouble.said.contains(&site.outside().to_string()), "{trouble:?}");
        ensure!(trouble.remedy.as_deref().unwrap_or_default().contains("8443/udp"), "{trouble:?}");
        browser.wait_way(Site::SOURCE, "stream", LIMIT)?;
        wait_until("the last resort to be told of", LIMIT, || {
            let sessions = relay.diagnosis(Site::SOURCE, &[])?.sessions;
            Ok(sessions
                .iter()
                .any(|session| session.findings.iter().any(|finding| finding.said.contains("last resort"))))
        })?;
        // The page goes on trying, so that the trouble stays.
        says(&relay.doctor(&[Site::SOURCE])?, &["last resort", "8443/udp"])?;
        browser.close()
    })
}

#[test]
fn what_a_browser_reports_of_its_way_is_told() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let announce = vec![site.outside().to_string()];
    let (relay, _sender) = site.relay_with_tone(&RelayOptions { announce, ..site.relay_options() })?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        browser.listen(&site.page(), Site::SOURCE)?;
        let path = wait_for("the browser's report", LIMIT, || {
            let sessions = relay.diagnosis(Site::SOURCE, &[])?.sessions;
            let mut paths = sessions.iter().flat_map(|session| &session.findings);
            Ok(paths.find(|finding| finding.said.contains("there and back takes")).cloned())
        })?;
        report(&path.said);
        ensure!(path.verdict == Verdict::Well && path.said.contains("by UDP over IPv4"), "{path:?}");
        ensure!(path.said.contains("packets were lost"), "{path:?}");
        browser.close()
    })
}

#[test]
fn turn_with_a_wrong_secret_is_named() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let coturn = Coturn::start(site.turn(), site.turn_address())?;
    let udp = coturn.udp();
    let arguments = ["--ice-turn", &udp, "--ice-secret", "not-the-secret"].map(str::to_owned).to_vec();
    let (relay, _sender) = site.relay_with_tone(&RelayOptions { arguments, ..site.relay_options() })?;
    names(&relay, Site::SOURCE, Check::Turn, &[&udp, "secret"], "[ice]")
}

#[test]
fn what_only_the_browser_knows_is_told_by_its_page_and_forgotten_with_the_session() -> Result<()> {
    let (relay, _tone) = relay_with_tone()?;
    let client = WhepClient::listen(relay.http(), Site::SOURCE)?;
    let name = client.session().rsplit('/').next().context("no session")?.to_owned();
    let before = session_of(&relay, &name)?;
    ensure!(of(&before.findings, Check::Playback)?.verdict == Verdict::Unknown, "{before:?}");
    for (state, words, remedy) in [
        (PlaybackState::Blocked, "before somebody clicks", "Click or tap"),
        (PlaybackState::Muted, "muted", "Unmute"),
        (PlaybackState::Solo, "solo", "Solo"),
        (PlaybackState::NoOutput, "no device", "Connect loudspeakers"),
        (PlaybackState::NoPackets, "no sound arrives", "reload the page"),
    ] {
        tell(&relay, &name, state)?;
        let session = session_of(&relay, &name)?;
        let finding = of(&session.findings, Check::Playback)?;
        ensure!(
            finding.verdict == Verdict::Trouble && finding.said.contains(words),
            "{state:?}: {finding:?}"
        );
        ensure!(finding.remedy.as_deref().unwrap_or_default().contains(remedy), "{state:?}: {finding:?}");
        let diagnosis = relay.diagnosis(Site::SOURCE, &[&name])?;
        ensure!(diagnosis.verdict == Verdict::Trouble && diagnosis.summary == finding.said, "{diagnosis:?}");
        said(&relay.doctor(&[Site::SOURCE])?, 1, &[words, remedy])?;
    }
    tell(&relay, &name, PlaybackState::Playing)?;
    wait_until("the advice", LIMIT, || {
        let diagnosis = relay.diagnosis(Site::SOURCE, &[&name])?;
        let finding = of(&diagnosis.sessions[0].findings, Check::Playback)?;
        let advises = finding.remedy.as_deref().unwrap_or_default().contains("on the tab");
        Ok(finding.verdict == Verdict::Well && (advises || diagnosis.verdict != Verdict::Well))
    })?;
    keeps_to_itself(&relay, &[&name])?;
    drop(client);
    wait_until("the session to be over", LIMIT, || {
        Ok(relay.diagnosis(Site::SOURCE, &[&name])?.sessions.is_empty())
    })?;
    let answer = put(&relay, &name, "application/json", br#"{"state":"playing"}"#)?;
    ensure!(answer == 404, "a session that is over was told of: {answer}");
    Ok(())
}

#[test]
fn pages_that_tell_junk_are_refused() -> Result<()> {
    let (relay, _tone) = relay_with_tone()?;
    let client = WhepClient::listen(relay.http(), Site::SOURCE)?;
    let name = client.session().rsplit('/').next().context("no session")?.to_owned();
    let good: &[u8] = br#"{"state":"muted"}"#;
    let huge = [b" ".repeat(70_000), good.to_vec()].concat();
    for (session, media_type, body, status) in [
        (name.as_str(), "application/json", good, 204),
        (name.as_str(), "text/plain", good, 415),
        (name.as_str(), "application/json", br#"{"state":"loud"}"#.as_slice(), 400),
        (name.as_str(), "application/json", b"\xff", 400),
        (name.as_str(), "application/json", b"", 400),
        (name.as_str(), "application/json", huge.as_slice(), 413),
        ("0123456789abcdef0123456789abcdef", "application/json", good, 404),
        ("nonsense", "application/json", good, 404),
    ] {
        let answer = put(&relay, session, media_type, body)?;
        ensure!(answer == status, "{} of {} bytes to {session}: {answer}", media_type, body.len());
    }
    for path in ["/api/sources/nowhere/doctor", "/api/sources/nowhere/doctor?session=x"] {
        let answer = relay.http().get(path)?;
        ensure!(
            answer.status == 404 && answer.problem()?.kind == "/problems/unknown-source",
            "{}",
            answer.text()
        );
    }
    let preflight = Request::new("OPTIONS", &format!("/api/sessions/{name}/playback"))
        .header("origin", "http://localhost:8000")
        .header("access-control-request-method", "PUT");
    let answer = relay.http().send(&preflight)?;
    let methods = answer.header("access-control-allow-methods").unwrap_or_default();
    ensure!(methods.contains("PUT"), "pages of other origins may {methods:?}");
    Ok(())
}

#[test]
fn a_talker_is_diagnosed_and_tells_of_no_playback() -> Result<()> {
    let relay = Relay::with(&RelayOptions {
        arguments: vec!["--echo".to_owned(), "--allow-talk".to_owned()],
        ..RelayOptions::default()
    })?;
    let talker = WhipClient::talk(relay.http(), "echo", SpeechOptions::default())?;
    let name = talker.session().rsplit('/').next().context("no session")?.to_owned();
    let session = wait_for("the talker", LIMIT, || {
        let sessions = relay.diagnosis("echo", &[&name])?.sessions;
        Ok(sessions.into_iter().find(|session| session.own && session.verdict == Verdict::Well))
    })?;
    ensure!(session.purpose == StreamPurpose::Talk, "{session:?}");
    ensure!(
        put(&relay, &name, "application/json", br#"{"state":"playing"}"#)? == 404,
        "a talker plays nothing"
    );
    Ok(())
}
