//! `docs/openapi.json` held against a relay: each response that it documents is made to happen and looked at, and what the
//! relay answers without being documented fails.

#[path = "table/mod.rs"]
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use soundport_tests::{
    Answer, Events, OpenApi, Relay, RelayOptions, Request, Subscribers, ToneSender, ToneSenderOptions,
    WhepClient, opus_offer, talk_offer, wait_for, wait_until,
};
use table::{CANDIDATE, FRAGMENT, RESTART, SDP, Session, patch};
use tempfile::TempDir;

const SOURCE: &str = "127-0-0-1";
const JSON: &str = "application/json";
/// A session's name that is nobody's.
const NOBODY: &str = "0123456789abcdef0123456789abcdef";
const LIMIT: Duration = Duration::from_secs(20);
/// Over the limit of 64 KiB.
const LARGE_BYTES: usize = 100_000;
/// How many there may be at once: streams of events, unused tickets, sessions that wait long, talkers in one source.
const MAX_EVENTS: usize = 4096;
const MAX_TICKETS: usize = 1024;
const MAX_WAITING: usize = 64;
const MAX_TALKERS: usize = 16;
const LATER: &str = "[[source]]\nid = \"later\"\nport = 46998\ntalk = true\n";
const ICE: &str = "[ice]\nstun = [\"stun:127.0.0.1:9\"]\nturn = [\"turn:127.0.0.1:9\"]\nsecret = \"kept\"\n";

/// A relay with STUN and TURN, a source that is live, one that may be talked into, and one that nobody has seen.
struct Stage {
    relay: Relay,
    _sender: ToneSender,
    folder: TempDir,
}

/// How a request comes about.
type Ask = fn(&Stage) -> Result<Request>;

/// An operation, the status it is to be answered with, and a request that is.
const ROWS: &[(&str, u16, Ask)] = &[
    ("GET /api/sources", 200, |_| get("/api/sources")),
    ("GET /api/ice", 200, |_| get("/api/ice")),
    ("GET /api/ice/check", 200, |_| get("/api/ice/check")),
    ("GET /api/openapi.json", 200, |_| get("/api/openapi.json")),
    ("POST /api/streams", 201, |_| ticket(SOURCE, "listen")),
    ("POST /api/streams", 400, |_| Ok(Request::new("POST", "/api/streams").body(JSON, "{}"))),
    ("POST /api/streams", 403, |_| ticket(SOURCE, "talk")),
    ("POST /api/streams", 404, |_| ticket("nobody", "listen")),
    ("POST /api/streams", 409, |_| ticket("later", "listen")),
    ("POST /api/streams", 409, |_| ticket("later", "talk")),
    ("POST /api/streams", 413, |_| Ok(Request::new("POST", "/api/streams").body(JSON, large()))),
    ("POST /api/streams", 415, |_| Ok(Request::new("POST", "/api/streams").body("text/plain", "{}"))),
    ("POST /api/streams", 422, |_| {
        let body = r#"{"source":"echo","purpose":"talk","with":"0123"}"#;
        Ok(Request::new("POST", "/api/streams").body(JSON, body))
    }),
    ("GET /api/doctor", 200, |stage| get(&format!("/api/doctor?session={}", stage.listener()?.name()))),
    ("GET /api/sources/{id}/doctor", 200, |stage| {
        get(&format!("/api/sources/{SOURCE}/doctor?session={}", stage.listener()?.name()))
    }),
    ("GET /api/sources/{id}/doctor", 404, |_| get("/api/sources/nobody/doctor")),
    ("PUT /api/sessions/{session}/playback", 204, |stage| {
        Ok(playback(stage.listener()?.name()).body(JSON, r#"{"state":"blocked"}"#))
    }),
    ("PUT /api/sessions/{session}/playback", 400, |_| Ok(playback(NOBODY).body(JSON, "{}"))),
    (
        "PUT /api/sessions/{session}/playback",
        404,
        |_| Ok(playback(NOBODY).body(JSON, r#"{"state":"muted"}"#)),
    ),
    ("PUT /api/sessions/{session}/playback", 413, |_| Ok(playback(NOBODY).body(JSON, large()))),
    ("PUT /api/sessions/{session}/playback", 415, |_| Ok(playback(NOBODY).body("text/plain", "muted"))),
    ("GET /sources/{id}.ogg", 200, |_| get("/sources/127-0-0-1.ogg?seconds=1")),
    ("GET /sources/{id}.ogg", 403, |_| {
        Ok(Request::new("GET", "/sources/127-0-0-1.ogg").header("sec-fetch-site", "cross-site"))
    }),
    ("GET /sources/{id}.ogg", 404, |_| get("/sources/nobody.ogg")),
    ("GET /sources/{id}.ogg", 409, |_| get("/sources/later.ogg")),
    ("GET /sources/{id}.ogg", 422, |_| get("/sources/127-0-0-1.ogg?seconds=0")),
    ("GET /stream", 426, |_| get("/stream")),
    ("POST /whep/{source}", 201, |_| listen(SOURCE)),
    ("POST /whep/{source}", 400, |_| Ok(post("/whep/127-0-0-1", "no offer"))),
    ("POST /whep/{source}", 404, |_| listen("nobody")),
    ("POST /whep/{source}", 409, |_| listen("later")),
    ("POST /whep/{source}", 413, |_| Ok(post("/whep/127-0-0-1", &large()))),
    ("POST /whep/{source}", 415, |_| Ok(Request::new("POST", "/whep/127-0-0-1").body(JSON, "{}"))),
    ("POST /whep/{source}", 422, |_| Ok(post("/whep/127-0-0-1", &opus_offer(&["pcm"])))),
    ("POST /whep/{source}", 422, |_| Ok(post("/whep/127-0-0-1?wait=301", &opus_offer(&["audio"])))),
    ("GET /whep/{source}", 204, |_| get("/whep/127-0-0-1")),
    ("GET /whep/{source}", 404, |_| get("/whep/nobody")),
    ("HEAD /whep/{source}", 200, |_| Ok(Request::new("HEAD", "/whep/127-0-0-1"))),
    ("HEAD /whep/{source}", 404, |_| Ok(Request::new("HEAD", "/whep/nobody"))),
    ("OPTIONS /whep/{source}", 200, |_| Ok(Request::new("OPTIONS", "/whep/127-0-0-1"))),
    ("GET /whep/{source}/{session}", 204, |stage| get(&stage.listener()?.path)),
    ("GET /whep/{source}/{session}", 404, |_| get("/whep/127-0-0-1/0123")),
    ("HEAD /whep/{source}/{session}", 200, |stage| Ok(Request::new("HEAD", &stage.listener()?.path))),
    ("HEAD /whep/{source}/{session}", 404, |_| Ok(Request::new("HEAD", "/whep/127-0-0-1/0123"))),
    ("OPTIONS /whep/{source}/{session}", 200, |stage| Ok(Request::new("OPTIONS", &stage.listener()?.path))),
    ("POST /whip/{source}", 201, |_| talk("echo")),
    ("POST /whip/{source}", 400, |_| Ok(post("/whip/echo", "no offer"))),
    ("POST /whip/{source}", 403, |_| talk(SOURCE)),
    ("POST /whip/{source}", 404, |_| talk("nobody")),
    ("POST /whip/{source}", 409, |_| talk("later")),
    ("POST /whip/{source}", 413, |_| Ok(post("/whip/echo", &large()))),
    ("POST /whip/{source}", 415, |_| Ok(Request::new("POST", "/whip/echo").body(JSON, "{}"))),
    ("POST /whip/{source}", 422, |_| Ok(post("/whip/echo?with=0123", &talk_offer(&["audio"])))),
    ("OPTIONS /whip/{source}", 200, |_| Ok(Request::new("OPTIONS", "/whip/echo"))),
    ("OPTIONS /whip/{source}/{session}", 200, |stage| Ok(Request::new("OPTIONS", &stage.talker()?.path))),
    ("GET /healthz", 200, |_| get("/healthz")),
    ("GET /metrics", 200, |_| get("/metrics")),
    ("GET /", 200, |_| get("/")),
    ("GET /", 304, |stage| stage.unchanged("/")),
    ("GET /{file}", 200, |_| get("/index.html")),
    ("GET /{file}", 304, |stage| stage.unchanged("/index.html")),
    ("GET /{file}", 404, |_| get("/nothing.html")),
];

/// A method, a status, and what is asked for to be answered so.
type OfSession = (&'static str, u16, fn(&Session) -> Request);

/// What sessions of listeners and talkers are answered alike, by the session that it is asked of.
const OF_SESSIONS: &[OfSession] = &[
    ("PATCH", 200, |session| patch(session, "*", RESTART)),
    ("PATCH", 204, |session| patch(session, &session.etag, CANDIDATE)),
    ("PATCH", 400, |session| patch(session, &session.etag, "no fragment")),
    ("PATCH", 404, |session| patch(&elsewhere(session), &session.etag, CANDIDATE)),
    ("PATCH", 412, |session| patch(session, "\"another\"", CANDIDATE)),
    ("PATCH", 413, |session| patch(session, &session.etag, &large())),
    ("PATCH", 415, |session| Request::new("PATCH", &session.path).body(SDP, CANDIDATE)),
    ("PATCH", 422, |session| patch(session, &session.etag, "a=ice-ufrag:half\r\n")),
    ("PATCH", 428, |session| Request::new("PATCH", &session.path).body(FRAGMENT, CANDIDATE)),
    ("DELETE", 200, |session| Request::new("DELETE", &session.path)),
    ("DELETE", 404, |session| Request::new("DELETE", &elsewhere(session).path)),
];

#[test]
fn every_documented_response_happens_as_it_is_documented() -> Result<()> {
    let stage = Stage::set()?;
    let mut interface = OpenApi::read()?;
    for (operation, status, request) in ROWS {
        stage.holds(&mut interface, operation, *status, &request(&stage)?)?;
    }
    for (method, status, request) in OF_SESSIONS {
        let (listener, talker) = (stage.listener()?, stage.talker()?);
        let whep = format!("{method} /whep/{{source}}/{{session}}");
        stage.holds(&mut interface, &whep, *status, &request(&listener))?;
        stage.holds(&mut interface, &whep.replace("whep", "whip"), *status, &request(&talker))?;
    }
    stage.refuses_strangers(&mut interface)?;
    stage.refuses_the_slow(&mut interface)?;
    stage.refuses_other_methods(&mut interface)?;
    stage.tells_events(&mut interface)?;
    stage.opens_streams(&mut interface)?;
    stage.is_full(&mut interface)?;
    let unseen = interface.unseen();
    ensure!(unseen.is_empty(), "documented, but not seen here:\n{}", unseen.join("\n"));
    Ok(())
}

#[test]
fn every_route_of_the_relay_is_documented() -> Result<()> {
    let interface = OpenApi::read()?;
    let mut paths: Vec<String> = interface.operations().into_iter().map(|(_, path)| path).collect();
    paths.dedup();
    let routes = routes()?;
    ensure!(routes.len() > 10, "only {} routes were found in the relay's source", routes.len());
    for route in &routes {
        ensure!(paths.iter().any(|path| covers(route, path)), "docs/openapi.json does not tell of {route}");
    }
    // Files of the page are served where there is no route.
    let is_page = |path: &str| path == "/" || path == "/{file}";
    for path in paths.iter().filter(|path| !is_page(path)) {
        ensure!(routes.iter().any(|route| covers(route, path)), "the relay has no route for {path}");
    }
    Ok(())
}

#[test]
fn every_kind_of_problem_is_documented() -> Result<()> {
    let source = fs::read_to_string(relay_source().join("http/problem.rs"))?;
    let kinds = source.split("StatusCode::").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once(',')?;
        let name = rest.trim_start().strip_prefix('"')?.split('"').next()?;
        Some(format!("/problems/{name}"))
    });
    let known: BTreeSet<String> = kinds.collect();
    let documented = OpenApi::read()?.problems().into_iter().collect();
    ensure!(known == documented, "the relay knows {known:#?}, docs/openapi.json {documented:#?}");
    Ok(())
}

#[test]
fn the_examples_are_as_the_schemas_say() -> Result<()> {
    let examples = OpenApi::read()?.check_itself()?;
    ensure!(examples > 40, "only {examples} examples");
    Ok(())
}

#[test]
fn it_is_served_as_it_stands_and_names_the_version() -> Result<()> {
    let relay = Relay::start()?;
    ensure!(relay.http().get("/api/openapi.json")?.text() == OpenApi::text(), "another text is served");
    let interface = OpenApi::read()?;
    let version = &interface.document()["info"]["version"];
    ensure!(version == env!("CARGO_PKG_VERSION"), "docs/openapi.json is of version {version}");
    Ok(())
}

impl Stage {
    fn set() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("soundport.toml");
        fs::write(&config, format!("{ICE}{LATER}"))?;
        let arguments = vec!["--echo".into(), "--config".into(), config.display().to_string()];
        let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
        let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
        relay.wait_live(SOURCE)?;
        wait_for("the echo", LIMIT, || relay.source("echo"))?;
        Ok(Self { relay, _sender: sender, folder })
    }

    fn listener(&self) -> Result<Session> {
        Session::make(&self.relay, &listen(SOURCE)?)
    }

    fn talker(&self) -> Result<Session> {
        Session::make(&self.relay, &talk("echo")?)
    }

    /// Asks for a file of which one has the newest.
    fn unchanged(&self, path: &str) -> Result<Request> {
        let answer = self.relay.http().get(path)?;
        let etag = answer.header("etag").context("no ETag: was the relay built with the page?")?;
        Ok(Request::new("GET", path).header("if-none-match", etag))
    }

    fn holds(&self, interface: &mut OpenApi, operation: &str, status: u16, request: &Request) -> Result<()> {
        let answer = self.relay.http().send(request)?;
        ensure!(
            answer.status == status,
            "{operation} answered {} for {status}: {}",
            answer.status,
            answer.text()
        );
        interface.check(operation, &answer)
    }

    /// The plain port does not answer to a name that is not this machine's.
    fn refuses_strangers(&self, interface: &mut OpenApi) -> Result<()> {
        for (method, path) in interface.operations() {
            let request = Request::new(&method, &filled(&path)).header("host", "evil.example");
            self.holds(interface, &format!("{method} {path}"), 421, &request)?;
        }
        Ok(())
    }

    /// Waits for who says how much it sends, and does not.
    fn refuses_the_slow(&self, interface: &mut OpenApi) -> Result<()> {
        let request = Request::new("POST", "/api/streams").body(JSON, "{").header("content-length", "100");
        let (answer, mut rest) = self.relay.http().begin(&request)?;
        ensure!(answer.status == 408, "answered {}", answer.status);
        let answer = answer.with_body(&mut rest)?;
        interface.check("POST /api/streams", &answer)
    }

    /// What is not documented is not allowed, and `Allow` names what is.
    fn refuses_other_methods(&self, interface: &mut OpenApi) -> Result<()> {
        let operations = interface.operations();
        for path in operations.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
            let known: BTreeSet<&str> =
                operations.iter().filter(|(_, of)| of == path).map(|(m, _)| &**m).collect();
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                if known.contains(method) {
                    continue;
                }
                let path = match path.as_str() {
                    // A session that is no more is not found, whatever is asked.
                    "/whip/{source}/{session}" => self.talker()?.path,
                    other => filled(other),
                };
                let answer = self.relay.http().send(&Request::new(method, &path).body(SDP, ""))?;
                ensure!(
                    answer.status == 405,
                    "{method} {path} answered {}: it is not documented",
                    answer.status
                );
                answer.problem()?;
                let allow = answer.header("allow").with_context(|| format!("{method} {path}: no Allow"))?;
                let always = |method: &&str| !matches!(*method, "HEAD" | "OPTIONS");
                let allowed: BTreeSet<&str> = allow.split(',').map(str::trim).filter(always).collect();
                let known: BTreeSet<&str> = known.iter().copied().filter(always).collect();
                ensure!(allowed == known, "{path} allows {allowed:?}, documented are {known:?}");
            }
        }
        // Of sources there is one operation, and it is refused as any other.
        let answer = self.relay.http().send(&Request::new("POST", "/api/sources").body(JSON, ""))?;
        interface.check("GET /api/sources", &answer)
    }

    /// Has every event happen.
    fn tells_events(&self, interface: &mut OpenApi) -> Result<()> {
        let (answer, _stream) = self.relay.http().begin(&get("/api/events")?)?;
        interface.check("GET /api/events", &answer)?;
        let events = Events::with_levels(self.relay.http(), &[SOURCE])?;
        // Who is about to listen is counted as one: the second is news.
        let listeners = (0..2).map(|_| WhepClient::listen(self.relay.http(), SOURCE));
        let _listeners = listeners.collect::<Result<Vec<_>>>()?;
        fs::write(self.folder.path().join("soundport.toml"), ICE)?;
        self.relay.reload();
        wait_until("every event", LIMIT, || {
            let written = events.written();
            let has = |name: &str| written.iter().any(|(known, _)| known == name);
            Ok(["relay", "sources", "source", "gone", "levels"].into_iter().all(has))
        })
        .with_context(|| {
            format!("came {:?}", events.written().iter().map(|(name, _)| name).collect::<BTreeSet<_>>())
        })?;
        events.written().iter().try_for_each(|(name, data)| interface.check_event(name, data))
    }

    /// Opens a WebSocket by a ticket, and by none.
    fn opens_streams(&self, interface: &mut OpenApi) -> Result<()> {
        for (ticket, status) in [(self.ticket("listen", SOURCE)?, 101), ("0123".into(), 403)] {
            let (answer, _) = self.upgrade(&ticket, status)?;
            interface.check("GET /stream", &answer)?;
        }
        Ok(())
    }

    /// Fills everything that has a limit.
    fn is_full(&self, interface: &mut OpenApi) -> Result<()> {
        let http = self.relay.http();
        let waits = post(&format!("/whep/{SOURCE}?wait=300"), &opus_offer(&["audio"]));
        for _ in 0..MAX_WAITING {
            Session::make(&self.relay, &waits)?;
        }
        self.holds(interface, "POST /whep/{source}", 503, &waits)?;
        let talkers = (0..MAX_TALKERS).map(|_| self.upgrade(&self.ticket("talk", "echo")?, 101));
        let _talkers = talkers.collect::<Result<Vec<_>>>()?;
        self.holds(interface, "POST /whip/{source}", 503, &talk("echo")?)?;
        interface.check("GET /stream", &self.upgrade(&self.ticket("talk", "echo")?, 503)?.0)?;
        for _ in 0..MAX_TICKETS {
            if http.send(&ticket(SOURCE, "listen")?)?.status == 503 {
                break;
            }
        }
        self.holds(interface, "POST /api/streams", 503, &ticket(SOURCE, "listen")?)?;
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        // Some more, for those that have gone may be counted yet.
        let _all = Subscribers::open(http, MAX_EVENTS + 16)?;
        let events = get("/api/events")?;
        wait_until(
            "as many streams of events as may be",
            LIMIT,
            || Ok(http.begin(&events)?.0.status == 503),
        )?;
        self.holds(interface, "GET /api/events", 503, &get("/api/events")?)
    }

    fn ticket(&self, purpose: &str, source: &str) -> Result<String> {
        let answer: Value = serde_json::from_slice(&self.relay.http().send(&ticket(source, purpose)?)?.body)?;
        Ok(answer["ticket"].as_str().context("no ticket")?.to_owned())
    }

    /// The answer to who wants to open a stream, of a refusal also its body; and the connection, which the stream lasts as long as.
    fn upgrade(&self, ticket: &str, status: u16) -> Result<(Answer, TcpStream)> {
        let request = Request::new("GET", "/stream")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", &format!("soundport, ticket.{ticket}"));
        let (answer, mut rest) = self.relay.http().begin(&request)?;
        ensure!(answer.status == status, "answered {}", answer.status);
        let answer = if status == 101 { answer } else { answer.with_body(&mut rest)? };
        Ok((answer, rest))
    }
}

fn get(path: &str) -> Result<Request> {
    Ok(Request::new("GET", path))
}

fn playback(session: &str) -> Request {
    Request::new("PUT", &format!("/api/sessions/{session}/playback"))
}

fn post(path: &str, offer: &str) -> Request {
    Request::new("POST", path).body(SDP, offer)
}

fn listen(source: &str) -> Result<Request> {
    Ok(post(&format!("/whep/{source}"), &opus_offer(&["audio"])))
}

fn talk(source: &str) -> Result<Request> {
    Ok(post(&format!("/whip/{source}"), &talk_offer(&["audio"])))
}

fn ticket(source: &str, purpose: &str) -> Result<Request> {
    let body = format!(r#"{{"source":"{source}","purpose":"{purpose}"}}"#);
    Ok(Request::new("POST", "/api/streams").body(JSON, body))
}

fn large() -> String {
    "a=x\r\n".repeat(LARGE_BYTES / 5)
}

/// A session that is not there.
fn elsewhere(session: &Session) -> Session {
    Session { path: format!("{}0", session.path), etag: session.etag.clone() }
}

/// A path without braces.
fn filled(path: &str) -> String {
    path.replace("{source}", SOURCE)
        .replace("{id}", SOURCE)
        .replace("{session}", "0123")
        .replace("{file}", "index.html")
}

/// The paths that the relay's router is built of.
fn routes() -> Result<Vec<String>> {
    let mut files = vec![relay_source().join("http.rs")];
    files.extend(fs::read_dir(relay_source().join("http"))?.filter_map(|entry| Some(entry.ok()?.path())));
    let mut routes = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let text = fs::read_to_string(file)?;
        let paths = text
            .split(".route(")
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        routes.extend(paths.map(str::to_owned));
    }
    Ok(routes)
}

/// Whether what is documented of `path` goes by `route`: a part in braces stands for any.
fn covers(route: &str, path: &str) -> bool {
    let is_open = |part: &str| part.starts_with('{');
    let alike = |(route, path): (&str, &str)| route == path || (is_open(route) && is_open(path));
    route.split('/').count() == path.split('/').count() && route.split('/').zip(path.split('/')).all(alike)
}

fn relay_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../relay/server/src")
}
