//! Streams, the way of sound outside of WebRTC: a table of requests for tickets, and what comes by the WebSocket.

#[macro_use]
mod table;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use soundport_api::{STREAM_PROTOCOL, StreamOpened, StreamTicket};
use soundport_tests::{Answer, Packet, Request, Stream, turn, wait_for};
use table::{ORIGIN, TalkStage, preflight, problem};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

const ENDPOINT: &str = "/api/streams";
const JSON: &str = "application/json";
const SOURCE: &str = "127-0-0-1";
const LIMIT: Duration = Duration::from_secs(10);

type Stage = TalkStage;

fn ticket(stage: &Stage, request: &str) -> Result<String> {
    let answer = stage.relay.http().send(&ask(request))?;
    ensure!(answer.status == 201, "{}: {}", answer.status, answer.text());
    let ticket: StreamTicket = serde_json::from_slice(&answer.body)?;
    Ok(ticket.ticket)
}

/// Opens a stream, whose first message it has read.
fn open(stage: &Stage, ticket: &str) -> Result<(WebSocket<TcpStream>, StreamOpened)> {
    let socket = stage.relay.http().connect()?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut request =
        format!("{}/stream", stage.relay.http_url().replace("http", "ws")).into_client_request()?;
    let protocols = HeaderValue::from_str(&format!("{STREAM_PROTOCOL}, ticket.{ticket}"))?;
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    let (mut socket, answer) = tungstenite::client(request, socket)?;
    let agreed = answer.headers().get("sec-websocket-protocol").context("no subprotocol")?;
    ensure!(agreed == STREAM_PROTOCOL, "the subprotocol is {agreed:?}");
    let Message::Text(first) = socket.read()? else { bail!("the first message is no text") };
    Ok((socket, serde_json::from_str(&first)?))
}

fn ask(body: &str) -> Request {
    Request::new("POST", ENDPOINT).body(JSON, body)
}

fn listen(source: &str) -> String {
    format!(r#"{{"source":"{source}","purpose":"listen"}}"#)
}

fn nothing(_: &Answer) -> Result<()> {
    Ok(())
}

rows! {
    a_listener_gets_a_ticket: |_| Ok(ask(&listen(SOURCE))) => [201], nothing;
    a_talker_gets_a_ticket: |_| Ok(ask(r#"{"source":"echo","purpose":"talk"}"#)) => [201], nothing;
    an_unknown_source_is_not_found: |_| Ok(ask(&listen("nobody"))) => [404], problem;
    a_source_that_sends_nothing_yet_is_a_conflict: |_| Ok(ask(&listen("later"))) => [409], problem;
    nobody_talks_where_it_is_not_allowed: |_| Ok(ask(&format!(r#"{{"source":"{SOURCE}","purpose":"talk"}}"#))) => [403], problem;
    a_talker_cannot_claim_a_stranger_as_its_ears: |_| Ok(ask(r#"{"source":"echo","purpose":"talk","with":"0123"}"#)) => [422], problem;
    another_media_type_is_refused: |_| Ok(Request::new("POST", ENDPOINT).body("text/plain", listen(SOURCE))) => [415], problem;
    what_is_no_request_is_refused: |_| Ok(ask("{}")) => [400], problem;
    a_page_that_is_not_let_in_gets_no_leave_to_ask: |_| {
        Ok(preflight(ENDPOINT, "POST").header("origin", "https://evil.example"))
    } => [200], |answer| {
        ensure!(answer.header("access-control-allow-origin") != Some("https://evil.example"), "it is let in");
        Ok(())
    };
    a_page_of_this_machine_may_ask: |_| Ok(preflight(ENDPOINT, "POST")) => [200], |answer| {
        ensure!(answer.header("access-control-allow-origin") == Some(ORIGIN), "it is not let in");
        Ok(())
    };
    what_is_no_websocket_is_told_so: |_| Ok(Request::new("GET", "/stream")) => [426], problem;
}

#[test]
fn the_tone_comes_by_a_websocket_whole_and_evenly() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let (mut socket, _) = open(&stage, &ticket(&stage, &listen(SOURCE))?)?;
    stage.relay.wait_listeners(SOURCE, 1, LIMIT)?;
    socket.send("how long?".into())?;
    let mut stream = Stream::default();
    let mut echoed = false;
    while stream.packets().len() < 300 || !echoed {
        match socket.read()? {
            Message::Binary(bytes) => {
                let (timestamp, payload) =
                    bytes.split_first_chunk::<4>().context("a message without a time")?;
                let first = stream.packets().first().map_or(0, |packet| packet.time as u32);
                let time = u64::from(u32::from_be_bytes(*timestamp).wrapping_sub(first)) + u64::from(first);
                let sequence = stream.packets().len() as u64;
                stream.push(Packet { sequence, time, arrived: Instant::now(), payload: payload.into() });
            }
            Message::Text(text) => echoed = text == "how long?",
            _ => {}
        }
    }
    stream.check_steps()?;
    stream.decode()?.part(1.0, 1.5).check_ears()?;
    socket.close(None)?;
    stage.relay.wait_listeners(SOURCE, 0, LIMIT)
}

#[test]
fn a_ticket_is_good_once_and_a_wrong_one_never() -> Result<()> {
    let stage = Stage::set()?;
    let good = ticket(&stage, &listen(SOURCE))?;
    let (_socket, _) = open(&stage, &good)?;
    for wrong in [good.as_str(), "0123456789abcdef"] {
        let refused = open(&stage, wrong).err().context("it was let in")?;
        ensure!(refused.to_string().contains("403"), "{refused:#}");
    }
    ensure!(!stage.relay.log().contains(&good), "the ticket is in the log");
    Ok(())
}

#[test]
fn what_is_no_opus_disturbs_nobody_and_what_is_too_large_is_cut_off() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let (mut listening, ears) = open(&stage, &ticket(&stage, &listen("echo"))?)?;
    let request = format!(r#"{{"source":"echo","purpose":"talk","with":"{}"}}"#, ears.session);
    let (mut talking, talker) = open(&stage, &ticket(&stage, &request)?)?;
    let number = talker.talker.context("the talker has no number")?;
    wait_for("the talker", LIMIT, || {
        let talkback = stage.relay.source("echo")?.and_then(|source| source.talkback);
        Ok(talkback.filter(|talkback| talkback.talkers.iter().any(|talker| talker.id == number)))
    })?;
    // Garbage of every size disturbs nobody.
    for length in [0, 1, 3, 4, 5, 100, 4000] {
        talking.send(Message::Binary(vec![0xff; length].into()))?;
    }
    talking.send("still there?".into())?;
    loop {
        match talking.read()? {
            Message::Text(text) if text == "still there?" => break,
            _ => {}
        }
    }
    talking.send(Message::Binary(vec![0; 9000].into()))?;
    let closed = (0..1000).any(|_| talking.read().is_err());
    ensure!(closed, "a message of 9000 bytes was taken");
    listening.send("and you?".into())?;
    while listening.read()? != Message::Text("and you?".into()) {}
    Ok(())
}

#[test]
fn who_writes_without_pause_is_cut_off_and_nobody_else_notices() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let (mut calm, _) = open(&stage, &ticket(&stage, &listen(SOURCE))?)?;
    let (mut wild, _) = open(&stage, &ticket(&stage, &listen(SOURCE))?)?;
    let flood = std::thread::spawn(move || {
        let sent = (0..1_000_000).take_while(|_| wild.send(Message::Binary(vec![0; 5].into())).is_ok());
        sent.count()
    });
    let mut last = Instant::now();
    let mut longest = Duration::ZERO;
    for _ in 0..300 {
        if matches!(calm.read()?, Message::Binary(_)) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    }
    ensure!(longest < Duration::from_millis(500), "the other listener waited {longest:?} for a frame");
    let sent = flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))?;
    ensure!(sent < 1_000_000, "it was never cut off");
    Ok(())
}

#[test]
fn a_relay_that_stops_says_goodbye() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let (mut socket, _) = open(&stage, &ticket(&stage, &listen(SOURCE))?)?;
    stage.relay.stop();
    loop {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => {
                ensure!(u16::from(frame.code) == 1001, "closed with {}", frame.code);
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => bail!("no goodbye: {error}"),
        }
    }
}
