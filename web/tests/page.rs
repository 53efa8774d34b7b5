//! The page's parts in a real browser, without a relay: what is on the page, and what a click or a key does.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that finds nothing to unwrap has failed")]

#[path = "page/memory.rs"]
mod memory;
#[path = "page/stage.rs"]
mod stage;
#[path = "page/stream.rs"]
mod stream;
#[path = "page/talk.rs"]
mod talk;
#[path = "page/way.rs"]
mod way;

use std::collections::BTreeMap;

use soundport_api::{Encoding, Format, Found, Gone, Source, SourceState, Talkback, TalkbackState, Talker};
use soundport_web::relay::sources_from_text;
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
    memory::forget_everything();
    let stage = Stage::app(&["kiosk", "desktop"]).await;
    stage.type_into("[data-source=kiosk] [data-action=volume]", "35");
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
    memory::forget_everything();
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
    memory::forget_everything();
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
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_refuses(409);
    stage.click("[data-action=listen]");
    until("the wait", || stage.attribute(".card", "data-state") == "reconnecting").await;
    assert_eq!(stage.text(".card [role=status]"), "Waiting");
    until("another try without a click", || stage.offers().len() > 1).await;
}

#[wasm_bindgen_test]
async fn an_empty_relay_teaches_and_a_missing_one_is_missed() {
    memory::forget_everything();
    let stage = Stage::app(&[]).await;
    assert!(stage.text("[data-notice=no-source] code").starts_with("pactl load-module module-rtp-send"));
    stage.one("[data-notice=no-source] [data-action=copy]");
    stage.relay_goes_away();
    stage.stream_ends();
    until("the notice", || stage.find("[data-notice=no-relay]").is_some()).await;
}

#[wasm_bindgen_test]
async fn sources_come_change_and_go_as_the_relay_tells() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_tells("source", &source("desktop", SourceState::Idle));
    until("the new card", || stage.cards() == ["kiosk", "desktop"]).await;
    assert_eq!(stage.attribute("[data-source=desktop]", "data-source-state"), "idle");
    stage.relay_tells("source", &source("desktop", SourceState::Live));
    until("its sound", || stage.text("[data-source=desktop] [role=status]") == "Live").await;
    stage.relay_tells("gone", &Gone { id: "kiosk".into() });
    until("its end", || stage.cards() == ["desktop"]).await;
    assert_eq!(stage.times_asked("api/sources"), 0, "nothing is asked for again and again");
}

#[wasm_bindgen_test]
async fn a_stream_that_ends_is_opened_again_without_a_word() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    until("the levels' stream", || stage.times_asked("levels=kiosk") == 1).await;
    until("quiet", || stage.find("[data-notice]").is_none()).await;
    let before = stage.times_asked("api/events");
    stage.stream_ends();
    until("another stream", || stage.times_asked("api/events") > before).await;
    assert!(stage.find("[data-notice]").is_none());
    stage.relay_goes_away();
    stage.stream_ends();
    until("the notice", || stage.find("[data-notice=no-relay]").is_some()).await;
    assert_eq!(stage.cards(), ["kiosk"], "what is known stays");
}

#[wasm_bindgen_test]
async fn a_hidden_tab_holds_no_stream() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    until("the stream", || stage.has_stream()).await;
    stage::show_tab(false);
    until("its end", || !stage.has_stream()).await;
    stage::show_tab(true);
    until("another", || stage.has_stream()).await;
}

#[wasm_bindgen_test]
async fn a_stream_that_is_silent_for_long_is_opened_again() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    until("the levels' stream", || stage.times_asked("levels=kiosk") == 1).await;
    stage::sleep_for(20.0);
    stage.relay_tells("source", &source("desktop", SourceState::Live));
    until("life", || stage.cards().len() == 2).await;
    let before = stage.times_asked("api/events");
    stage::sleep_for(60.0);
    until("another stream", || stage.times_asked("api/events") > before).await;
    stage::sleep_for(0.0);
}

#[wasm_bindgen_test]
async fn a_relay_without_streams_is_asked_for_its_list() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    stage.relay_refuses_streams();
    stage.stream_ends();
    until("the list", || stage.times_asked("api/sources") > 1).await;
    assert!(stage.find("[data-notice]").is_none());
}

#[wasm_bindgen_test]
async fn the_relays_trouble_is_told() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    let trouble = soundport_api::Relay {
        instance: "one".into(),
        trouble: Some("Line 3 is odd.".into()),
        ..soundport_api::Relay::default()
    };
    stage.relay_tells("relay", &trouble);
    until("the notice", || stage.find("[data-notice=trouble]").is_some()).await;
    assert_eq!(stage.text("[data-notice=trouble]"), "Line 3 is odd.");
}

#[wasm_bindgen_test]
async fn levels_of_what_is_not_listened_to_are_drawn() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk", "desktop"]).await;
    until("the levels' stream", || stage.times_asked("levels=kiosk,desktop") == 1).await;
    stage.relay_tells("levels", &BTreeMap::from([("desktop", [1.0, 0.1])]));
    let meter = |id: &str| stage.attribute(&format!("[data-source={id}] .meter"), "style");
    until("the level", || meter("desktop").contains("--left: 1000")).await;
    assert!(meter("desktop").contains("--right: 667"), "{}", meter("desktop"));
    assert!(!meter("kiosk").contains("1000"));
    stage.click("[data-source=desktop] [data-action=listen]");
    until("a stream without it", || {
        stage.times_asked("levels=kiosk") > stage.times_asked("levels=kiosk,desktop")
    })
    .await;
}

#[wasm_bindgen_test]
async fn one_source_has_a_page_of_its_own() {
    memory::forget_everything();
    stage::go_to("#/b%C3%BCro");
    let stage = Stage::app(&["kiosk", "desktop"]).await;
    until("the words", || stage.find("[data-notice=unknown-source]").is_some()).await;
    assert_eq!(stage.text("[data-notice]"), "No source is called büro yet. It appears here when it does.");
    stage.relay_tells("source", &source("büro", SourceState::Live));
    until("its card", || stage.cards() == ["büro"]).await;
    assert!(stage.find("[data-notice]").is_none());
    assert_eq!(stage::tab_title(), "Büro – Soundport");
    stage::go_to("#/");
    until("all cards", || stage.cards().len() == 3).await;
    assert_eq!(stage::tab_title(), "Soundport");
    assert_eq!(stage.attribute("[data-source=büro] h2 a", "href"), "#/b%C3%BCro");
}

#[wasm_bindgen_test]
async fn many_sources_can_be_searched() {
    memory::forget_everything();
    let stage = Stage::app(&["a1", "a2", "a3", "b4", "b5", "b6", "c7"]).await;
    assert!(stage.find("[data-action=filter]").is_none(), "seven are seen at a glance");
    stage.relay_tells("source", &source("c8", SourceState::Live));
    until("the field", || stage.find("[data-action=filter]").is_some()).await;
    stage.type_into("[data-action=filter]", "B");
    until("the matches", || stage.cards() == ["b4", "b5", "b6"]).await;
    assert_eq!(stage.text(".top [role=status]"), "3 of 8 match");
    stage.type_into("[data-action=filter]", "b9");
    until("the words", || stage.find("[data-notice=no-match]").is_some()).await;
    stage.type_into("[data-action=filter]", "");
    until("all again", || stage.cards().len() == 8).await;
}

#[wasm_bindgen_test]
async fn one_solo_silences_the_others_and_stop_all_stops_them() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk", "desktop", "bot"]).await;
    assert!(stage.one("[data-source=kiosk] [data-action=solo]").has_attribute("disabled"));
    for id in ["kiosk", "desktop"] {
        stage.click(&format!("[data-source={id}] [data-action=listen]"));
        until("the start", || stage.attribute(&format!("[data-source={id}]"), "data-state") == "connecting")
            .await;
    }
    stage.click("[data-source=kiosk] [data-action=solo]");
    until("the solo", || stage.attribute("[data-source=kiosk] [data-action=solo]", "aria-pressed") == "true")
        .await;
    assert!(stage.one("[data-source=desktop]").has_attribute("data-muted"));
    for id in ["kiosk", "bot"] {
        let muted = stage.one(&format!("[data-source={id}]")).has_attribute("data-muted");
        assert!(!muted, "{id} is solo, or not listened to");
    }
    stage.click("[data-action=stop-all]");
    until("the end", || stage.find("[data-state=connecting]").is_none()).await;
    assert!(!stage.one("[data-source=desktop]").has_attribute("data-muted"), "nothing is solo any more");
}

#[wasm_bindgen_test]
async fn the_choice_of_delay_is_remembered() {
    memory::forget_everything();
    let stage = Stage::app(&["kiosk"]).await;
    assert_eq!(stage.attribute("[data-action=delay-low]", "aria-pressed"), "true");
    stage.click("[data-action=delay-robust]");
    until("the choice", || stage.attribute("[data-action=delay-robust]", "aria-pressed") == "true").await;
    stage.close().await;
    let stage = Stage::app(&["kiosk"]).await;
    assert_eq!(stage.attribute("[data-action=delay-robust]", "aria-pressed"), "true");
    assert_eq!(stage.attribute("[data-action=delay-low]", "aria-pressed"), "false");
}

#[wasm_bindgen_test]
async fn what_played_before_plays_again_and_what_was_stopped_does_not() {
    memory::forget_everything();
    memory::has_played("kiosk");
    let stage = Stage::app(&["kiosk", "desktop"]).await;
    // This browser is told to let sound begin without a click.
    until("the offer", || stage.offers().len() == 1).await;
    assert_eq!(stage.attribute("[data-source=kiosk]", "data-state"), "connecting");
    assert_eq!(stage.attribute("[data-source=desktop]", "data-state"), "ready");
    stage.click("[data-source=kiosk] [data-action=stop]");
    until("the end", || stage.attribute("[data-source=kiosk]", "data-state") == "ready").await;
    stage.close().await;
    let stage = Stage::app(&["kiosk"]).await;
    until("a quiet page", || stage.times_asked("levels=kiosk") == 1).await;
    assert_eq!(stage.offers().len(), 0);
}

#[wasm_bindgen_test]
async fn a_source_in_trouble_says_so_beside_its_format() {
    let troubled = Source {
        trouble: Some("Another container has this name.".into()),
        ..source("kiosk", SourceState::Live)
    };
    let stage = Stage::card(troubled, Phase::Ready).await;
    assert_eq!(stage.text(".note"), "48 kHz stereo · assumed. Another container has this name.");
    assert!(stage.text(".details").contains("L16, 48 kHz stereo, assumed, since nothing says otherwise"));
}

#[wasm_bindgen_test]
async fn everything_that_the_relay_can_say_of_a_source_is_read() {
    let states = [SourceState::Waiting, SourceState::Live, SourceState::Idle, SourceState::Lost];
    let encodings = [Encoding::L16, Encoding::L24, Encoding::Pcmu, Encoding::Pcma, Encoding::Opus];
    let found = [Found::Announced, Found::Configured, Found::PayloadType, Found::Measured, Found::Assumed];
    let ways = [TalkbackState::Closed, TalkbackState::Opening, TalkbackState::Open, TalkbackState::Refused];
    let mut list: Vec<Source> = states.map(|state| source("kiosk", state)).into();
    for (encoding, found) in encodings.into_iter().zip(found) {
        let format = Some(Format { encoding, rate: 44_100, channels: 6, found });
        list.push(Source { format, trouble: Some("Odd.".into()), listeners: 70_000, ..list[0].clone() });
    }
    for state in ways {
        let talkers = vec![Talker { id: 7, speaking: true }, Talker { id: 4_000_000_000, speaking: false }];
        let talkback = Some(Talkback { state, talkers, trouble: Some("Nobody takes it.".into()) });
        list.push(Source { format: None, talk: true, talkback, room: true, ..list[0].clone() });
    }
    assert_eq!(sources_from_text(&serde_json::to_string(&list).unwrap()), Some(list));
    for junk in ["", "{}", "[1]", "null", r#"[{"id":"kiosk"}]"#] {
        assert_eq!(sources_from_text(junk), None, "{junk}");
    }
}
