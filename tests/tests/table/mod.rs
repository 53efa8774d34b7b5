//! What the tables of WHEP and of WHIP share: requests, and what must hold of answers.
#![allow(dead_code, unused_macros, unreachable_pub, reason = "each table uses a part")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Answer, Relay, RelayOptions, Request, ToneSender, ToneSenderOptions, wait_for};
use tempfile::TempDir;

pub const SDP: &str = "application/sdp";
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
pub const ORIGIN: &str = "http://localhost:3000";
pub const CANDIDATE: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
    a=mid:0\r\na=candidate:1 1 udp 2113667326 127.0.0.1 54321 typ host\r\na=end-of-candidates\r\n";
pub const RESTART: &str = "a=ice-ufrag:Fresh1\r\na=ice-pwd:cQ+XJMM09aR8AiX1jdukzR6Z\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
    a=mid:0\r\n";

/// A source that allows talk and whose container nobody has seen.
const LATER: &str = "[[source]]\nid = \"later\"\nport = 46998\ntalk = true\n";

/// A relay with the source `echo`, which may be talked into, one that may not, and one that nobody has seen.
pub struct TalkStage {
    pub relay: Relay,
    _sender: ToneSender,
    _folder: TempDir,
}

impl TalkStage {
    pub fn set() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("soundport.toml");
        std::fs::write(&config, LATER)?;
        let arguments = vec!["--echo".into(), "--config".into(), config.display().to_string()];
        let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
        let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
        relay.wait_live("127-0-0-1")?;
        wait_for("the echo", Duration::from_secs(10), || relay.source("echo"))?;
        Ok(Self { relay, _sender: sender, _folder: folder })
    }
}

/// A session as its client knows it.
pub struct Session {
    pub path: String,
    pub etag: String,
}

impl Session {
    /// Makes one by `offer`.
    pub fn make(relay: &Relay, offer: &Request) -> Result<Self> {
        let answer = relay.http().send(offer)?;
        ensure!(answer.status == 201, "POST answered {}: {}", answer.status, answer.text());
        let header =
            |name: &str| answer.header(name).map(ToOwned::to_owned).with_context(|| format!("no {name}"));
        Ok(Self { path: header("location")?, etag: header("etag")? })
    }

    /// Its name, the last part of its address.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// One test a row: its name, the request that it sends, the statuses allowed, and what else must hold of the answer.
macro_rules! rows {
    ($($name:ident: $request:expr => $status:expr, $check:expr;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            let stage = Stage::set()?;
            let request: fn(&Stage) -> Result<Request> = $request;
            let answer = stage.relay.http().send(&request(&stage)?)?;
            let allowed: &[u16] = &$status;
            ensure!(allowed.contains(&answer.status), "{} instead of {allowed:?}: {}", answer.status, answer.text());
            let check: fn(&Answer) -> Result<()> = $check;
            check(&answer)
        }
    )*};
}

pub fn patch(session: &Session, if_match: &str, fragment: &str) -> Request {
    Request::new("PATCH", &session.path).header("if-match", if_match).body(FRAGMENT, fragment)
}

pub fn preflight(path: &str, method: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("origin", ORIGIN)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "content-type,if-match")
}

pub fn has(answer: &Answer, name: &str, part: &str) -> Result<()> {
    let value = answer.header(name).with_context(|| format!("no {name}"))?.to_ascii_lowercase();
    ensure!(value.contains(&part.to_ascii_lowercase()), "{name} is {value}, without {part}");
    Ok(())
}

pub fn holds(answer: &Answer, parts: &[&str]) -> Result<()> {
    let text = answer.text();
    parts.iter().try_for_each(|part| {
        ensure!(text.contains(part), "no {part} in {text}");
        Ok(())
    })
}

pub fn strong_etag(answer: &Answer) -> Result<()> {
    let etag = answer.header("etag").context("no ETag")?;
    ensure!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag} is no strong ETag");
    Ok(())
}

pub fn problem(answer: &Answer) -> Result<()> {
    answer.problem().map(|_| ())
}

pub fn empty(answer: &Answer) -> Result<()> {
    ensure!(answer.body.is_empty(), "there is a body: {}", answer.text());
    Ok(())
}

pub fn restarted(answer: &Answer) -> Result<()> {
    has(answer, "content-type", FRAGMENT)?;
    holds(answer, &["a=ice-ufrag:", "a=ice-pwd:", "a=candidate:"])?;
    strong_etag(answer)
}
