//! WHEP (draft-ietf-wish-whep) and what it shares with WHIP (RFC 9725): a table of requests and answers.

#[macro_use]
mod table;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::Problem;
use soundport_tests::{
    Answer, Relay, Request, ToneSender, ToneSenderOptions, WhepClient, opus_offer, turn, wait_for,
};
use table::{
    CANDIDATE, FRAGMENT, ORIGIN, RESTART, SDP, Session, empty, has, holds, patch, preflight, problem,
    restarted, strong_etag,
};

const SOURCE: &str = "127-0-0-1";
const ENDPOINT: &str = "/whep/127-0-0-1";
/// A relay with one live source.
struct Stage {
    relay: Relay,
    _sender: ToneSender,
}

impl Stage {
    fn set() -> Result<Self> {
        let relay = Relay::start()?;
        let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
        relay.wait_live(SOURCE)?;
        Ok(Self { relay, _sender: sender })
    }

    fn session(&self) -> Result<Session> {
        Session::make(&self.relay, &post(&["audio"]))
    }
}

rows! {
    an_offer_is_answered_with_a_session: |_| Ok(post(&["audio"])) => [201], |answer| {
        has(answer, "content-type", SDP)?;
        let location = answer.header("location").context("no Location")?;
        ensure!(location.contains("/whep/"), "Location is {location}");
        strong_etag(answer)
    };
    the_answer_sends_stereo_opus_with_all_candidates: |_| Ok(post(&["audio"])) => [201], |answer| {
        holds(answer, &["a=sendonly", "a=rtcp-mux", "opus/48000/2", "stereo=1", "a=ice-lite", "a=candidate:", "typ host"])
    };
    video_before_audio_is_refused_and_audio_kept: |_| Ok(post(&["video", "audio"])) => [201], |answer| {
        accepts_audio_only(&answer.text())
    };
    video_after_audio_is_refused_and_audio_kept: |_| Ok(post(&["audio", "video"])) => [201], |answer| {
        accepts_audio_only(&answer.text())
    };
    parameters_of_the_content_type_do_no_harm:
        |_| Ok(Request::new("POST", ENDPOINT).body("Application/SDP; charset=utf-8", opus_offer(&["audio"]))) => [201], |_| Ok(());
    a_wrong_content_type_is_refused:
        |_| Ok(Request::new("POST", ENDPOINT).body("application/json", opus_offer(&["audio"]))) => [415], problem;
    a_missing_content_type_is_refused: |_| Ok(Request::new("POST", ENDPOINT)) => [415], problem;
    a_malformed_offer_is_refused:
        |_| Ok(Request::new("POST", ENDPOINT).body(SDP, "this is no session description")) => [400], problem;
    an_empty_offer_is_refused: |_| Ok(Request::new("POST", ENDPOINT).body(SDP, "")) => [400], problem;
    an_offer_that_is_no_text_is_refused:
        |_| Ok(Request::new("POST", ENDPOINT).body(SDP, vec![0xff, 0xfe, 0x00, 0x80])) => [400], problem;
    an_offer_without_opus_is_refused: |_| Ok(post(&["pcm"])) => [406, 422], problem;
    an_offer_of_video_alone_is_refused: |_| Ok(post(&["video"])) => [406, 422], problem;
    an_unknown_source_is_not_found:
        |_| Ok(Request::new("POST", "/whep/nobody").body(SDP, opus_offer(&["audio"]))) => [404], problem;
    options_tell_what_is_accepted: |_| Ok(Request::new("OPTIONS", ENDPOINT)) => [200, 204], |answer| {
        has(answer, "accept-post", SDP)
    };
    a_preflight_is_allowed: |_| Ok(preflight(ENDPOINT, "POST")) => [200, 204], |answer| {
        has(answer, "access-control-allow-origin", ORIGIN)?;
        has(answer, "access-control-allow-methods", "POST")?;
        has(answer, "access-control-allow-headers", "content-type")
    };
    a_preflight_for_the_session_is_allowed:
        |stage| Ok(preflight(&stage.session()?.path, "PATCH")) => [200, 204], |answer| {
            has(answer, "access-control-allow-methods", "PATCH")?;
            has(answer, "access-control-allow-methods", "DELETE")?;
            has(answer, "access-control-allow-headers", "if-match")
        };
    an_answer_shows_its_headers_to_other_origins:
        |_| Ok(post(&["audio"]).header("origin", ORIGIN)) => [201], |answer| {
            has(answer, "access-control-allow-origin", ORIGIN)?;
            ["location", "etag", "link"].into_iter().try_for_each(|name| has(answer, "access-control-expose-headers", name))
        };
    an_endpoint_is_got_empty: |_| Ok(Request::new("GET", ENDPOINT)) => [200, 204], empty;
    an_endpoint_has_a_head: |_| Ok(Request::new("HEAD", ENDPOINT)) => [200], |answer| has(answer, "content-type", SDP);
    a_session_is_got_empty: |stage| Ok(Request::new("GET", &stage.session()?.path)) => [200, 204], empty;
    a_session_has_a_head:
        |stage| Ok(Request::new("HEAD", &stage.session()?.path)) => [200], |answer| has(answer, "content-type", SDP);
    putting_to_an_endpoint_is_not_allowed: |_| Ok(Request::new("PUT", ENDPOINT)) => [405], |answer| {
        has(answer, "allow", "POST")?;
        problem(answer)
    };
    posting_to_a_session_is_not_allowed:
        |stage| Ok(Request::new("POST", &stage.session()?.path).body(SDP, "v=0")) => [405], |answer| {
            has(answer, "allow", "PATCH")?;
            has(answer, "allow", "DELETE")?;
            problem(answer)
        };
    a_candidate_is_taken:
        |stage| stage.session().map(|session| patch(&session, &session.etag, CANDIDATE)) => [204], empty;
    a_candidate_without_if_match_is_refused:
        |stage| Ok(Request::new("PATCH", &stage.session()?.path).body(FRAGMENT, CANDIDATE)) => [428], problem;
    a_candidate_for_another_ice_session_is_refused:
        |stage| stage.session().map(|session| patch(&session, "\"another\"", CANDIDATE)) => [412], problem;
    a_patch_of_another_type_is_refused: |stage| {
        let session = stage.session()?;
        Ok(Request::new("PATCH", &session.path).header("if-match", &session.etag).body(SDP, CANDIDATE))
    } => [415, 422], problem;
    a_malformed_fragment_is_refused:
        |stage| stage.session().map(|session| patch(&session, &session.etag, "no fragment")) => [400, 422], problem;
    a_restart_is_answered_with_new_credentials:
        |stage| stage.session().map(|session| patch(&session, "*", RESTART)) => [200], restarted;
    a_restart_with_the_star_in_quotes_is_one_too:
        |stage| stage.session().map(|session| patch(&session, "\"*\"", RESTART)) => [200], restarted;
    a_session_is_deleted:
        |stage| Ok(Request::new("DELETE", &stage.session()?.path)) => [200], |_| Ok(());
    an_unknown_session_is_not_found:
        |_| Ok(Request::new("DELETE", &format!("{ENDPOINT}/0123456789abcdef"))) => [404], problem;
    a_session_of_another_source_is_not_found:
        |stage| Ok(Request::new("DELETE", &stage.session()?.path.replace(SOURCE, "nobody"))) => [404], problem;
    an_unknown_path_is_a_problem_too: |_| Ok(Request::new("GET", "/api/nothing")) => [404], problem;
}

#[test]
fn a_body_over_the_limit_is_refused() -> Result<()> {
    let stage = Stage::set()?;
    let body = format!("v=0\r\n{}", "a=x\r\n".repeat(200_000));
    let head = format!("POST {ENDPOINT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {SDP}\r\n");
    let address = stage.relay.http().base().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(address)?;
    let mut writer = connection.try_clone()?;
    // The relay need not read it all: like curl, this client hears an answer that comes before its last byte left.
    let sending = thread::spawn(move || {
        let length = body.len();
        writer.write_all(
            format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}").as_bytes(),
        )
    });
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    let _ = sending.join();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    ensure!(answer.starts_with("HTTP/1.1 413"), "answered {answer:?}");
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the headers")?;
    ensure!(
        head.to_ascii_lowercase().contains("content-type: application/problem+json"),
        "no problem: {head}"
    );
    let problem: Problem = serde_json::from_str(body)?;
    ensure!(problem.status == 413 && !problem.detail.is_empty(), "{problem:?}");
    Ok(())
}

#[test]
fn a_deleted_session_is_gone_for_every_method() -> Result<()> {
    let stage = Stage::set()?;
    let session = stage.session()?;
    let http = stage.relay.http();
    ensure!(http.send(&Request::new("DELETE", &session.path))?.status == 200, "the session was not there");
    for request in [
        Request::new("GET", &session.path),
        Request::new("DELETE", &session.path),
        patch(&session, &session.etag, CANDIDATE),
        patch(&session, "*", RESTART),
    ] {
        let answer = http.send(&request)?;
        ensure!(answer.status == 404, "{request:?} answered {}", answer.status);
        answer.problem()?;
    }
    stage.relay.wait_listeners(SOURCE, 0, Duration::from_secs(5))
}

#[test]
fn every_restart_has_an_etag_of_its_own_and_ends_the_one_before() -> Result<()> {
    let stage = Stage::set()?;
    let session = stage.session()?;
    let http = stage.relay.http();
    let answer = http.send(&patch(&session, "*", RESTART))?;
    let renewed = answer.header("etag").context("no ETag after a restart")?;
    ensure!(renewed != session.etag, "the ETag {renewed} stayed");
    let stale = http.send(&patch(&session, &session.etag, CANDIDATE))?;
    ensure!(stale.status == 412, "a candidate with the old ETag was answered {}", stale.status);
    let fresh = http.send(&patch(
        &session,
        renewed,
        &CANDIDATE.replace("EsAw", "Fresh1").replace("bP+XJMM09aR8AiX1jdukzR6Y", "cQ+XJMM09aR8AiX1jdukzR6Z"),
    ))?;
    ensure!(fresh.status == 204, "a candidate with the new ETag was answered {}", fresh.status);
    Ok(())
}

#[test]
fn the_sound_goes_on_after_an_ice_restart() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let client = WhepClient::listen(stage.relay.http(), SOURCE)?;
    client.hear(Duration::from_secs(1))?.settled()?.check_ears()?;
    client.restart_ice()?;
    client.hear(Duration::from_secs(1))?;
    let after = client.hear(Duration::from_secs(2))?;
    after.check_steps()?;
    after.settled()?.check_ears()?;
    let left = client.leave()?;
    ensure!(left.status == 200, "DELETE answered {}", left.status);
    Ok(())
}

#[test]
fn a_source_whose_sender_has_gone_is_a_conflict() -> Result<()> {
    let relay = Relay::start()?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    drop(sender);
    let answer = wait_for("a conflict", Duration::from_secs(60), || {
        let answer = relay.http().send(&post(&["audio"]))?;
        if answer.status == 201 {
            let session = answer.header("location").context("no Location")?;
            relay.http().send(&Request::new("DELETE", session))?;
        }
        Ok((answer.status != 201).then_some(answer))
    })?;
    ensure!(answer.status == 409, "{} instead of 409: {}", answer.status, answer.text());
    let seconds: u32 = answer.header("retry-after").context("no Retry-After")?.parse()?;
    ensure!(seconds > 0, "Retry-After: 0");
    problem(&answer)
}

fn post(media: &[&str]) -> Request {
    Request::new("POST", ENDPOINT).body(SDP, opus_offer(media))
}

fn accepts_audio_only(answer: &str) -> Result<()> {
    let media: Vec<&str> = answer.split("\r\nm=").skip(1).collect();
    ensure!(media.len() == 2, "{} m-lines for two: {answer}", media.len());
    for section in media {
        if section.starts_with("video") {
            ensure!(section.starts_with("video 0 "), "video was accepted: {section}");
            ensure!(!section.contains("a=candidate:"), "candidates on the refused line");
        } else {
            ensure!(section.contains("a=candidate:"), "no candidate for the audio: {answer}");
        }
    }
    Ok(())
}
