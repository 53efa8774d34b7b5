//! TURN with credentials that expire, with a wrong secret, and with servers that come and go.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use soundport_api::{IceCheck, IceConfiguration};
use soundport_tests::{
    Browser, Coturn, Event, Events, Relay, RelayOptions, Request, Site, ToneSender, Way, opus_offer, report,
    turn, wait_for, wait_until,
};

const SOURCE: &str = Site::SOURCE;
const LIMIT: Duration = Duration::from_secs(15);
/// So short that it has passed soon.
const TTL: Duration = Duration::from_secs(4);
/// The promise: how soon there is sound again after TURN was restarted.
const HEARD_AGAIN_WITHIN: Duration = Duration::from_secs(5);
const WRONG: &str = "not-the-secret-that-coturn-knows";

#[test]
fn a_restart_of_turn_after_the_credentials_expired_is_survived_with_fresh_ones() -> Result<()> {
    let _turn = turn();
    let mut stage = Stage::set(Coturn::SECRET, &["--ice-ttl", &TTL.as_secs().to_string()])?;
    let Stage { site, coturn, relay, .. } = &mut stage;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        browser.listen(&site.page(), SOURCE)?;
        browser.wait_way(SOURCE, "turn-udp", LIMIT)?;
        let first = usernames(&browser)?.pop().context("the page used no credentials")?;
        wait_until("the credentials to expire", LIMIT, || {
            let clock: f64 = browser.run("return Date.now() / 1000", vec![])?;
            Ok(clock > expiry(&first)? + 1.0)
        })?;
        browser.record(Duration::from_secs(1))?.check_ears().context("after the expiry")?;
        coturn.kill();
        browser.wait_silence()?;
        coturn.revive()?;
        let again = browser.wait_tone(HEARD_AGAIN_WITHIN)?;
        report(&format!("heard {again:.1?} after coturn was back"));
        browser.wait_way(SOURCE, "turn-udp", LIMIT)?;
        let last = usernames(&browser)?.pop().context("the page used no credentials")?;
        ensure!(last != first && expiry(&last)? > expiry(&first)?, "{last} was used after {first}");
        browser.close()
    })?;
    keeps_secret(relay, Coturn::SECRET)
}

#[test]
fn a_wrong_secret_is_named_at_start_in_events_and_on_the_page() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set(WRONG, &[])?;
    let Stage { site, relay, coturn, .. } = &stage;
    let said = wait_for("the relay's complaint", LIMIT, || {
        Ok(Some(relay.log()).filter(|log| log.contains("secret") && log.contains(&coturn.udp())))
    })
    .with_context(|| relay.log())?;
    report(said.lines().find(|line| line.contains("secret")).unwrap_or_default());
    let answer = relay.http().get("/api/ice/check")?;
    let checks: Vec<IceCheck> = serde_json::from_slice(&answer.body).with_context(|| answer.text())?;
    ensure!(checks.len() == 2, "two servers were checked as {checks:?}");
    for check in checks {
        let trouble = check.trouble.with_context(|| format!("{} is taken for well", check.url))?;
        ensure!(trouble.contains("secret"), "{}: {trouble}", check.url);
    }
    let mut events = Events::subscribe(relay.http())?;
    let trouble = events.wait_for("the relay's trouble", LIMIT, |event| match event {
        Event::Relay(relay) => relay.ice_trouble.clone(),
        _ => None,
    })?;
    ensure!(trouble.contains("secret"), "the event says {trouble:?}");
    site.browser().inside(|| {
        let browser = Browser::start()?;
        browser.listen(&site.page(), SOURCE)?;
        browser.wait_way(SOURCE, "stream", LIMIT)?;
        let hint = browser.told_hint(SOURCE)?;
        report(&format!("the page says: {hint}"));
        ensure!(hint.contains("secret"), "the page does not name it: {hint}");
        browser.ask_why(SOURCE)?;
        let told = browser.trouble(SOURCE, "turn")?;
        ensure!(told.contains("secret") && told.contains(&coturn.udp()), "the doctor says {told}");
        let told = browser.finding(SOURCE, "path", "well")?;
        ensure!(told.contains("last resort"), "the doctor says {told}");
        browser.close()
    })?;
    keeps_secret(relay, WRONG)
}

#[test]
fn where_the_relay_allows_turn_alone_the_page_takes_no_other_way() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set(Coturn::SECRET, &["--ice-policy", "relay"])?;
    let Stage { site, .. } = &stage;
    site.close(&[])?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        browser.listen(&site.page(), SOURCE)?;
        browser.wait_way(SOURCE, "turn-udp", LIMIT)?;
        browser.check_ears()?;
        browser.close()
    })
}

#[test]
fn turn_that_is_down_is_named_until_it_is_back() -> Result<()> {
    let _turn = turn();
    let mut stage = Stage::set(Coturn::SECRET, &[])?;
    let Stage { coturn, relay, .. } = &mut stage;
    let checks = || -> Result<Vec<IceCheck>> {
        Ok(serde_json::from_slice(&relay.http().get("/api/ice/check")?.body)?)
    };
    ensure!(checks()?.iter().all(|check| check.trouble.is_none()), "it is up, and {:?}", checks()?);
    coturn.kill();
    // It is tried at most every ten seconds.
    let troubles = wait_for("its trouble", LIMIT, || {
        Ok(Some(checks()?).filter(|checks| checks.iter().all(|check| check.trouble.is_some())))
    })?;
    report(&format!("{troubles:?}"));
    coturn.revive()?;
    wait_until("the end of its trouble", LIMIT, || {
        Ok(checks()?.iter().all(|check| check.trouble.is_none()))
    })?;
    Ok(())
}

#[test]
fn credentials_are_minted_for_every_request_and_every_session() -> Result<()> {
    let stage = Stage::set(Coturn::SECRET, &[])?;
    let mint = || -> Result<IceConfiguration> {
        let answer = stage.relay.http().get("/api/ice")?;
        ensure!(answer.header("cache-control") == Some("no-store"), "it may be cached");
        Ok(serde_json::from_slice(&answer.body)?)
    };
    let name = |minted: &IceConfiguration| {
        minted.ice_servers.iter().find_map(|server| server.username.clone()).context("no credentials")
    };
    let (one, other) = (name(&mint()?)?, name(&mint()?)?);
    ensure!(one != other, "{one} twice");
    let session = || -> Result<String> {
        let offer =
            Request::new("POST", &format!("/whep/{SOURCE}")).body("application/sdp", opus_offer(&["audio"]));
        let answer = stage.relay.http().send(&offer)?;
        ensure!(answer.status == 201, "answered {}", answer.status);
        Ok(answer.headers("link").collect::<Vec<_>>().join("\n"))
    };
    let (one, other) = (session()?, session()?);
    for url in [stage.coturn.udp(), stage.coturn.tls()] {
        let link = format!("<{url}>; rel=\"ice-server\"; username=\"");
        ensure!(
            one.contains(&link) && one.contains("credential-type=\"password\""),
            "no link to {url}: {one}"
        );
    }
    ensure!(one != other, "two sessions have {one}");
    Ok(())
}

/// A relay behind a router, which knows TURN by this secret; nothing but HTTPS and TURN is open.
struct Stage {
    site: Site,
    coturn: Coturn,
    relay: Relay,
    _sender: ToneSender,
}

impl Stage {
    fn set(secret: &str, arguments: &[&str]) -> Result<Self> {
        let site = Site::start()?;
        let coturn = Coturn::start(site.turn(), site.turn_address())?;
        let (udp, tls) = (coturn.udp(), coturn.tls());
        let ice = ["--ice-turn", &udp, "--ice-turn", &tls, "--ice-secret", secret];
        let options = RelayOptions {
            announce: site.announce_both()?,
            arguments: ice.iter().chain(arguments).map(ToString::to_string).collect(),
            log: Some("trace"),
            ..site.relay_options()
        };
        let (relay, sender) = site.relay_with_tone(&options)?;
        site.close(&[Way::Udp, Way::Tcp])?;
        Ok(Self { site, coturn, relay, _sender: sender })
    }
}

/// The names by which the page made itself known to TURN, in the order of its sessions.
fn usernames(browser: &Browser) -> Result<Vec<String>> {
    let servers: Vec<Value> = browser.run(
        "return window.soundportTap.peers.flatMap((peer) => peer.getConfiguration().iceServers)",
        vec![],
    )?;
    let names = servers.iter().filter_map(|server| server["username"].as_str());
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// When credentials of that name expire, in seconds of the epoch.
fn expiry(username: &str) -> Result<f64> {
    let seconds = username.split(':').next().unwrap_or_default();
    seconds.parse().with_context(|| format!("{username} does not begin with a time"))
}

/// Checks that the relay said all it could, but not the secret.
fn keeps_secret(relay: &Relay, secret: &str) -> Result<()> {
    let log = relay.log();
    ensure!(log.contains("TRACE"), "the relay says too little to tell: {log}");
    let said: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
    ensure!(said.is_empty(), "the secret is in the log: {said:#?}");
    Ok(())
}
