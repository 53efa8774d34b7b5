//! By which way sound comes: a relay whose addresses lead nowhere, and the stream that is played by a few lines.

use soundport_api::{Relay, TalkbackState};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::memory;
use crate::stage::{self, Stage, until};
use crate::talk::talkable;

fn way(stage: &Stage, id: &str) -> String {
    stage.attribute(&format!("[data-source={id}]"), "data-way")
}

/// A page that hears kiosk by the stream, since the relay's addresses lead nowhere.
async fn page_on_the_stream() -> Stage {
    memory::forget_everything();
    stage::microphone("");
    let sources = ["kiosk", "desktop"].map(|id| talkable(id, TalkbackState::Open, &[]));
    let stage = Stage::with(&sources).await;
    stage.relay_answers_listeners(false);
    stage.relay_is_reached(false);
    stage.click("[data-source=kiosk] [data-action=listen]");
    until("the stream", || way(&stage, "kiosk") == "stream").await;
    stage
}

#[wasm_bindgen_test]
async fn where_webrtc_leads_nowhere_the_stream_is_heard_and_the_page_says_why() {
    let stage = page_on_the_stream().await;
    until("sound", || stage.attribute("[data-source=kiosk]", "data-state") == "listening").await;
    assert_eq!(stage.asked("stream: "), ["stream: {\"source\":\"kiosk\",\"purpose\":\"listen\"}"]);
    let kiosk = |part: &str| stage.text(&format!("[data-source=kiosk] {part}"));
    assert_eq!(kiosk("[data-detail=way]"), "Through the page’s own connection (WebSocket)");
    assert_eq!(kiosk("summary"), "Detailsover WebSocket");
    assert!(kiosk(".note").ends_with("WebRTC is blocked. Details say why."));
    let hint = "The relay offers 192.0.2.1:8443/udp, which this browser does not reach. Open 8443/udp on the way to it.";
    assert_eq!(kiosk("[data-hint=media]"), hint);
    let trouble = "The TURN server does not take the relay’s secret.";
    let relay = Relay { ice_trouble: Some(trouble.into()), ..Relay::default() };
    stage.relay_tells("relay", &relay);
    until("the trouble", || stage.find("[data-notice=ice-trouble]").is_some()).await;
    assert_eq!(stage.text("[data-notice=ice-trouble]"), trouble);
    assert_eq!(kiosk("[data-hint=media]"), format!("{hint} {trouble}"));
    stage.click("[data-source=kiosk] [data-action=stop]");
    until("its end", || stage.streams() == 0 && way(&stage, "kiosk").is_empty()).await;
}

#[wasm_bindgen_test]
async fn the_next_source_begins_with_the_stream_and_moves_to_webrtc_when_that_works() {
    let stage = page_on_the_stream().await;
    stage.click("[data-source=desktop] [data-action=listen]");
    until("its stream", || way(&stage, "desktop") == "stream").await;
    assert_eq!(stage.asked("/whep/desktop"), [""; 0], "WebRTC is tried later");
    stage.relay_is_reached(true);
    until("WebRTC", || way(&stage, "desktop") == "udp").await;
    until("the end of its stream", || stage.streams() == 1).await;
    assert_eq!(stage.attribute("[data-source=desktop]", "data-state"), "listening");
    let hints = stage.find("[data-source=desktop] [data-hint=media]");
    assert!(hints.is_none() && stage.text("[data-source=desktop] summary") == "Details");
}

#[wasm_bindgen_test]
async fn a_voice_takes_the_stream_too_and_names_its_listener() {
    let stage = page_on_the_stream().await;
    let card = |name: &str| stage.attribute("[data-source=kiosk]", name);
    stage.click("[data-source=kiosk] [data-action=talk]");
    until("the microphone", || card("data-talk") == "live" && card("data-talk-way") == "stream").await;
    let asked = stage.asked("\"talk\"").remove(0);
    assert!(asked.contains("\"with\":\"of-listen"), "{asked}");
    let before = stage.packets_said();
    until("packets", || stage.packets_said() > before + 10).await;
    stage.click("[data-source=kiosk] [data-action=talk]");
    until("the mute", || card("data-talk") == "muted").await;
    let before = stage.packets_said();
    until("silence that is sent", || stage.packets_said() > before + 10).await;
    stage.relay_is_reached(true);
    until("WebRTC", || card("data-talk-way") == "udp").await;
    stage.click("[data-source=kiosk] [data-action=talk]");
    until("the microphone", || card("data-talk") == "live").await;
    until("its sound at the relay", || stage.is_heard()).await;
}

#[wasm_bindgen_test]
async fn servers_are_asked_for_with_each_session_and_taken_before_it_connects() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk", "desktop"]).await;
    stage.relay_answers_listeners(false);
    let relay = Relay { ice: true, trouble: Some("It is told.".into()), ..Relay::default() };
    stage.relay_tells("relay", &relay);
    until("what it tells", || stage.find("[data-notice=trouble]").is_some()).await;
    for (number, id) in ["kiosk", "desktop"].into_iter().enumerate() {
        stage.click(&format!("[data-source={id}] [data-action=listen]"));
        until("the connection", || way(&stage, id) == "udp").await;
        assert_eq!(stage.asked("/api/ice").len(), number + 1);
    }
    let configured = stage.asked("configured: ");
    assert!(configured.len() == 2 && configured[0] != configured[1], "{configured:?}");
    assert!(configured[0].contains("turn:192.0.2.9:3478"), "{configured:?}");
}

#[wasm_bindgen_test]
async fn a_browser_without_webrtc_plays_the_stream_at_once() {
    memory::forget_everything();
    stage::without(&["RTCPeerConnection"], async || {
        let stage = Stage::app(&["kiosk"]).await;
        stage.click("[data-action=listen]");
        until("the stream", || way(&stage, "kiosk") == "stream").await;
        assert!(stage.find("[data-notice]").is_none());
        assert!(stage.text("[data-hint=media]").starts_with("This browser has no WebRTC"));
        assert_eq!(stage.asked("/whep/"), [""; 0]);
    })
    .await;
}

#[wasm_bindgen_test]
async fn a_browser_that_cannot_play_at_all_says_so() {
    memory::forget_everything();
    stage::without(&["RTCPeerConnection", "AudioDecoder"], async || {
        let stage = Stage::app(&["kiosk"]).await;
        until("the words", || stage.find("[data-notice=no-webrtc]").is_some()).await;
        stage.click("[data-action=listen]");
        until("the words", || stage.attribute(".card", "data-state") == "failed").await;
        assert_eq!(stage.text(".note"), "This browser cannot play this without WebRTC.");
    })
    .await;
}

#[wasm_bindgen_test]
async fn a_relay_that_does_not_allow_this_page_is_told_from_one_that_is_not_there() {
    memory::forget_everything();
    stage::relay_is_at("https://relay.example.org:8443");
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_closes();
    stage.stream_ends();
    until("the words", || stage.find("[data-notice=closed]").is_some()).await;
    let origin = web_sys::window().unwrap().location().origin().unwrap();
    assert!(stage.text("[data-notice=closed]").ends_with(&format!("Start it with --origin {origin}.")));
    stage.relay_goes_away();
    stage.close().await;
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_goes_away();
    stage.stream_ends();
    until("other words", || stage.find("[data-notice=no-relay] a").is_some()).await;
    assert_eq!(stage.attribute("[data-notice=no-relay] a", "href"), "https://relay.example.org:8443/");
    stage::relay_is_at("");
}
