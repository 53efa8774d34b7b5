//! WHIP (RFC 9725): a table of requests and answers.

#[macro_use]
mod table;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Answer, Request, SpeechOptions, WhepClient, WhipClient, talk_offer, wait_for};
use table::{
    CANDIDATE, FRAGMENT, ORIGIN, RESTART, SDP, Session, TalkStage, empty, has, holds, patch, preflight,
    problem, restarted, strong_etag,
};

const ENDPOINT: &str = "/whip/echo";
const LIMIT: Duration = Duration::from_secs(10);

type Stage = TalkStage;

fn session(stage: &Stage) -> Result<Session> {
    Session::make(&stage.relay, &post(&["audio"]))
}

rows! {
    an_offer_is_answered_with_a_session: |_| Ok(post(&["audio"])) => [201], |answer| {
        has(answer, "content-type", SDP)?;
        let location = answer.header("location").context("no Location")?;
        ensure!(location.contains("/whip/echo/"), "Location is {location}");
        let number = answer.header("soundport-talker").context("no number of the talker")?;
        number.parse::<u32>()?;
        strong_etag(answer)
    };
    the_answer_receives_opus_with_all_candidates: |_| Ok(post(&["audio"])) => [201], |answer| {
        holds(answer, &["a=recvonly", "a=rtcp-mux", "opus/48000/2", "a=ice-lite", "a=candidate:", "typ host"])
    };
    stereo_is_asked_for_where_it_is_offered: |_| Ok(post(&["audio"])) => [201], |answer| holds(answer, &["stereo=1"]);
    mono_is_asked_for_where_stereo_is_not_offered: |_| {
        let offer = talk_offer(&["audio"]).replace("stereo=1;sprop-stereo=1;", "");
        Ok(Request::new("POST", ENDPOINT).body(SDP, offer))
    } => [201], |answer| {
        ensure!(!answer.text().contains("stereo=1"), "{}", answer.text());
        Ok(())
    };
    a_direction_that_says_both_ways_is_taken: |_| offer_with("a=sendonly", "a=sendrecv") => [201], |answer| {
        holds(answer, &["a=recvonly"])
    };
    video_before_audio_is_refused: |_| Ok(post(&["video", "audio"])) => [406, 422], problem;
    video_after_audio_is_refused: |_| Ok(post(&["audio", "video"])) => [406, 422], problem;
    two_tracks_are_refused: |_| Ok(post(&["audio", "audio"])) => [406, 422], problem;
    video_alone_is_refused: |_| Ok(post(&["video"])) => [406, 422], problem;
    an_offer_without_opus_is_refused: |_| Ok(post(&["pcm"])) => [406, 422], problem;
    an_offer_that_only_listens_is_refused: |_| offer_with("a=sendonly", "a=recvonly") => [406, 422], problem;
    an_offer_that_is_idle_is_refused: |_| offer_with("a=sendonly", "a=inactive") => [406, 422], problem;
    parameters_of_the_content_type_do_no_harm:
        |_| Ok(Request::new("POST", ENDPOINT).body("Application/SDP; charset=utf-8", talk_offer(&["audio"]))) => [201],
        |_| Ok(());
    a_wrong_content_type_is_refused:
        |_| Ok(Request::new("POST", ENDPOINT).body("application/json", talk_offer(&["audio"]))) => [415], problem;
    a_missing_content_type_is_refused: |_| Ok(Request::new("POST", ENDPOINT)) => [415], problem;
    a_malformed_offer_is_refused:
        |_| Ok(Request::new("POST", ENDPOINT).body(SDP, "this is no session description")) => [400], problem;
    an_empty_offer_is_refused: |_| Ok(Request::new("POST", ENDPOINT).body(SDP, "")) => [400], problem;
    an_offer_that_is_no_text_is_refused:
        |_| Ok(Request::new("POST", ENDPOINT).body(SDP, vec![0xff, 0xfe, 0x00, 0x80])) => [400], problem;
    an_unknown_source_is_not_found: |_| Ok(post_to("/whip/nobody")) => [404], problem;
    a_source_that_does_not_allow_talk_is_forbidden: |_| Ok(post_to("/whip/127-0-0-1")) => [403], |answer| {
        let problem = answer.problem()?;
        ensure!(problem.detail.contains("talk"), "it does not say what to do: {}", problem.detail);
        Ok(())
    };
    a_container_that_nobody_has_seen_is_a_conflict: |_| Ok(post_to("/whip/later")) => [409], |answer| {
        let seconds: u32 = answer.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!(seconds > 0, "Retry-After: 0");
        problem(answer)
    };
    a_listener_that_does_not_exist_is_refused: |_| Ok(post_to("/whip/echo?with=0123456789abcdef")) => [422], problem;
    a_listener_that_is_nonsense_is_refused: |_| Ok(post_to("/whip/echo?with=%20")) => [422], problem;
    options_tell_what_is_accepted: |_| Ok(Request::new("OPTIONS", ENDPOINT)) => [200, 204], |answer| {
        has(answer, "accept-post", SDP)
    };
    a_preflight_is_allowed: |_| Ok(preflight(ENDPOINT, "POST")) => [200, 204], |answer| {
        has(answer, "access-control-allow-origin", ORIGIN)?;
        has(answer, "access-control-allow-methods", "POST")?;
        has(answer, "access-control-allow-headers", "content-type")
    };
    a_preflight_for_the_session_is_allowed:
        |stage| Ok(preflight(&session(stage)?.path, "PATCH")) => [200, 204], |answer| {
            has(answer, "access-control-allow-methods", "PATCH")?;
            has(answer, "access-control-allow-methods", "DELETE")?;
            has(answer, "access-control-allow-headers", "if-match")
        };
    an_answer_shows_its_headers_to_other_origins:
        |_| Ok(post(&["audio"]).header("origin", ORIGIN)) => [201], |answer| {
            has(answer, "access-control-allow-origin", ORIGIN)?;
            let shown = ["location", "etag", "link", "soundport-talker"];
            shown.into_iter().try_for_each(|name| has(answer, "access-control-expose-headers", name))
        };
    an_endpoint_is_not_got: |_| Ok(Request::new("GET", ENDPOINT)) => [405], allows_post;
    an_endpoint_has_no_head: |_| Ok(Request::new("HEAD", ENDPOINT)) => [405], |_| Ok(());
    an_endpoint_is_not_put: |_| Ok(Request::new("PUT", ENDPOINT).body(SDP, "v=0")) => [405], allows_post;
    a_session_is_not_got: |stage| Ok(Request::new("GET", &session(stage)?.path)) => [405], allows_patch_and_delete;
    a_session_has_no_head: |stage| Ok(Request::new("HEAD", &session(stage)?.path)) => [405], |_| Ok(());
    a_session_is_not_posted_to:
        |stage| Ok(Request::new("POST", &session(stage)?.path).body(SDP, "v=0")) => [405], allows_patch_and_delete;
    a_session_is_not_put:
        |stage| Ok(Request::new("PUT", &session(stage)?.path).body(SDP, "v=0")) => [405], allows_patch_and_delete;
    a_candidate_is_taken:
        |stage| session(stage).map(|session| patch(&session, &session.etag, CANDIDATE)) => [204], empty;
    a_candidate_without_if_match_is_refused:
        |stage| Ok(Request::new("PATCH", &session(stage)?.path).body(FRAGMENT, CANDIDATE)) => [428], problem;
    a_candidate_for_another_ice_session_is_refused:
        |stage| session(stage).map(|session| patch(&session, "\"another\"", CANDIDATE)) => [412], problem;
    a_patch_of_another_type_is_refused: |stage| {
        let session = session(stage)?;
        Ok(Request::new("PATCH", &session.path).header("if-match", &session.etag).body(SDP, CANDIDATE))
    } => [415, 422], problem;
    a_malformed_fragment_is_refused:
        |stage| session(stage).map(|session| patch(&session, &session.etag, "no fragment")) => [400, 422], problem;
    a_restart_is_answered_with_new_credentials:
        |stage| session(stage).map(|session| patch(&session, "*", RESTART)) => [200], restarted;
    a_restart_with_the_star_in_quotes_is_one_too:
        |stage| session(stage).map(|session| patch(&session, "\"*\"", RESTART)) => [200], restarted;
    a_session_is_deleted: |stage| Ok(Request::new("DELETE", &session(stage)?.path)) => [200], |_| Ok(());
    an_unknown_session_is_not_found:
        |_| Ok(Request::new("DELETE", &format!("{ENDPOINT}/0123456789abcdef"))) => [404], problem;
    a_session_of_another_source_is_not_found:
        |stage| Ok(Request::new("DELETE", &session(stage)?.path.replace("echo", "nobody"))) => [404], problem;
    a_talkers_session_is_no_listeners:
        |stage| Ok(Request::new("DELETE", &session(stage)?.path.replace("whip", "whep"))) => [404], problem;
}

#[test]
fn a_deleted_session_is_gone_for_every_method() -> Result<()> {
    let stage = Stage::set()?;
    let session = session(&stage)?;
    let http = stage.relay.http();
    ensure!(http.send(&Request::new("DELETE", &session.path))?.status == 200, "the session was not there");
    for request in [
        Request::new("DELETE", &session.path),
        patch(&session, &session.etag, CANDIDATE),
        patch(&session, "*", RESTART),
    ] {
        let answer = http.send(&request)?;
        ensure!(answer.status == 404, "{request:?} answered {}", answer.status);
        answer.problem()?;
    }
    Ok(())
}

#[test]
fn every_restart_has_an_etag_of_its_own_and_ends_the_one_before() -> Result<()> {
    let stage = Stage::set()?;
    let session = session(&stage)?;
    let http = stage.relay.http();
    let answer = http.send(&patch(&session, "*", RESTART))?;
    let renewed = answer.header("etag").context("no ETag after a restart")?;
    ensure!(renewed != session.etag, "the ETag {renewed} stayed");
    let stale = http.send(&patch(&session, &session.etag, CANDIDATE))?;
    ensure!(stale.status == 412, "a candidate with the old ETag was answered {}", stale.status);
    Ok(())
}

#[test]
fn talkers_are_told_of_while_they_are_there() -> Result<()> {
    let stage = Stage::set()?;
    let talkers = |count: usize| {
        wait_for(&format!("{count} talkers"), LIMIT, || {
            let talkback = stage.relay.source("echo")?.and_then(|source| source.talkback);
            let all = talkback.context("the echo takes no talkers")?.talkers;
            Ok((all.len() == count).then_some(all))
        })
    };
    talkers(0)?;
    let first = WhipClient::talk(stage.relay.http(), "echo", SpeechOptions::tone(700.0))?;
    let second = WhipClient::talk(stage.relay.http(), "echo", SpeechOptions::tone(400.0))?;
    let ids: Vec<u32> = talkers(2)?.iter().map(|talker| talker.id).collect();
    ensure!(ids == [first.id(), second.id()], "{ids:?} talk");
    wait_for("both to speak", LIMIT, || {
        let all = talkers(2)?;
        Ok(all.iter().all(|talker| talker.speaking).then_some(()))
    })?;
    ensure!(first.leave()?.status == 200, "it could not leave");
    ensure!(talkers(1)?[0].id == second.id(), "the wrong one left");
    Ok(())
}

#[test]
fn a_listeners_session_may_be_named() -> Result<()> {
    let stage = Stage::set()?;
    let listener = WhepClient::join(stage.relay.http(), "echo")?;
    let session = listener.session();
    let own = session.rsplit('/').next().context("no session")?;
    WhipClient::talk_with(stage.relay.http(), "echo", Some(own), SpeechOptions::tone(700.0)).map(|_| ())
}

fn post(media: &[&str]) -> Request {
    Request::new("POST", ENDPOINT).body(SDP, talk_offer(media))
}

fn post_to(path: &str) -> Request {
    Request::new("POST", path).body(SDP, talk_offer(&["audio"]))
}

fn offer_with(what: &str, instead: &str) -> Result<Request> {
    Ok(Request::new("POST", ENDPOINT).body(SDP, talk_offer(&["audio"]).replace(what, instead)))
}

fn allows_post(answer: &Answer) -> Result<()> {
    has(answer, "allow", "POST")?;
    problem(answer)
}

fn allows_patch_and_delete(answer: &Answer) -> Result<()> {
    has(answer, "allow", "PATCH")?;
    has(answer, "allow", "DELETE")?;
    problem(answer)
}
