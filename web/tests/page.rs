//! The page's parts in a real browser, without a relay: what is on the page, and what a click or a key does.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that finds nothing to unwrap has failed")]

#[path = "page/stage.rs"]
mod stage;

use soundport_api::SourceState;
use soundport_web::state::{Failure, Pause, Phase, Quiet};
use stage::{Stage, source, until};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn every_state_is_told_in_words_and_by_shape() {
    let phases = [
        (Phase::Ready, "ready", "Live", "listen"),
        (Phase::Connecting, "connecting", "Connecting", "stop"),
        (Phase::Listening, "listening", "Listening", "stop"),
        (Phase::Silent(Quiet::Zeros), "silent", "Silent", "stop"),
        (Phase::Reconnecting(Pause::Broken), "reconnecting", "Reconnecting", "stop"),
        (Phase::Reconnecting(Pause::NotLive), "reconnecting", "Waiting", "stop"),
        (Phase::Failed(Failure::NoRelay), "failed", "Not playing", "listen"),
    ];
    for (phase, state, word, action) in phases {
        let stage = Stage::card(source("kiosk", SourceState::Live), phase).await;
        assert_eq!(stage.attribute(".card", "data-state"), state);
        assert_eq!(stage.attribute(".card", "data-source"), "kiosk");
        assert_eq!(stage.text("[role=status]"), word);
        stage.one(&format!("[data-action={action}]"));
        stage.one("[role=status] svg.shape");
    }
}

#[wasm_bindgen_test]
async fn trouble_says_what_to_do() {
    let refused = Phase::Failed(Failure::Refused("The offer holds no Opus.".into()));
    let stage = Stage::card(source("kiosk", SourceState::Live), refused).await;
    assert_eq!(stage.text(".note"), "The relay refused: The offer holds no Opus.");
    assert_eq!(stage.text("[data-action=listen]"), "Try again");
}

#[wasm_bindgen_test]
async fn a_source_without_sound_says_so() {
    for (state, word) in
        [(SourceState::Waiting, "Waiting"), (SourceState::Idle, "Idle"), (SourceState::Lost, "Gone")]
    {
        let stage = Stage::card(source("kiosk", state), Phase::Ready).await;
        assert_eq!(stage.text("[role=status]"), word);
        assert!(!stage.text(".note").is_empty());
    }
}

#[wasm_bindgen_test]
async fn every_control_has_a_name_and_takes_the_keyboard() {
    let stage = Stage::card(source("kiosk", SourceState::Live), Phase::Ready).await;
    for (control, name) in
        [("listen", "Listen: Kiosk"), ("mute", "Mute Kiosk"), ("volume", "Volume of Kiosk")]
    {
        let control = format!("[data-action={control}]");
        assert_eq!(stage.attribute(&control, "aria-label"), name);
        stage.focus(&control);
        assert!(stage.has_focus(&control), "{control}");
    }
    stage.focus("summary");
    assert!(stage.has_focus("summary"));
}

#[wasm_bindgen_test]
async fn the_volume_is_remembered_for_each_source() {
    stage::forget_everything();
    let stage = Stage::app(&["kiosk", "desktop"]).await;
    stage.slide("[data-source=kiosk] [data-action=volume]", 35);
    until("the slider's figure", || stage.text("[data-source=kiosk] output") == "35 %").await;
    stage.click("[data-source=kiosk] [data-action=mute]");
    until("the mute", || stage.text("[data-source=kiosk] output") == "Muted").await;
    stage.close().await;

    let stage = Stage::app(&["kiosk", "desktop"]).await;
    assert_eq!(stage.text("[data-source=kiosk] output"), "Muted");
    assert_eq!(stage.attribute("[data-source=kiosk] [data-action=mute]", "aria-pressed"), "true");
    assert_eq!(stage.text("[data-source=desktop] output"), "100 %");
    stage.click("[data-source=kiosk] [data-action=mute]");
    until("the old volume", || stage.text("[data-source=kiosk] output") == "35 %").await;
}

#[wasm_bindgen_test]
async fn a_click_that_reaches_no_relay_fails_in_words_and_keeps_the_focus() {
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_goes_away();
    stage.focus("[data-action=listen]");
    stage.click("[data-action=listen]");
    until("the failure", || stage.attribute(".card", "data-state") == "failed").await;
    assert_eq!(stage.text(".note"), "The relay does not answer. Start it, then listen again.");
    assert!(stage.has_focus("[data-action=listen]"));
}

#[wasm_bindgen_test]
async fn a_click_asks_the_relay_for_stereo_and_stop_ends_it() {
    let stage = Stage::app(&["kiosk"]).await;
    stage.click("[data-action=listen]");
    until("the offer", || !stage.offers().is_empty()).await;
    let offer = stage.offers().remove(0);
    assert!(offer.contains("a=recvonly") && offer.contains("stereo=1"), "{offer}");
    assert_eq!(stage.attribute(".card", "data-state"), "connecting");
    stage.click("[data-action=stop]");
    until("the end", || stage.attribute(".card", "data-state") == "ready").await;
}

#[wasm_bindgen_test]
async fn a_source_that_sends_nothing_yet_is_waited_for() {
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_refuses(409);
    stage.click("[data-action=listen]");
    until("the wait", || stage.attribute(".card", "data-state") == "reconnecting").await;
    assert_eq!(stage.text(".card [role=status]"), "Waiting");
    until("another try without a click", || stage.offers().len() > 1).await;
}

#[wasm_bindgen_test]
async fn an_empty_relay_teaches_and_a_missing_one_is_missed() {
    let stage = Stage::app(&[]).await;
    assert!(stage.text("[data-notice=no-source] code").starts_with("pactl load-module module-rtp-send"));
    stage.one("[data-notice=no-source] [data-action=copy]");
    stage.relay_goes_away();
    until("the notice", || stage.find("[data-notice=no-relay]").is_some()).await;
}
