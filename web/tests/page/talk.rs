//! *Talk*, with a microphone that is played, and a relay whose end of the connection is in the page itself.

use soundport_api::{Source, SourceState, Talkback, TalkbackState, Talker};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::memory;
use crate::stage::{self, Stage, source, until};

const TALK: &str = "[data-action=talk]";

pub(crate) fn talkable(id: &str, state: TalkbackState, talkers: &[(u32, bool)]) -> Source {
    let talkers = talkers.iter().map(|(id, speaking)| Talker { id: *id, speaking: *speaking }).collect();
    let talkback = Talkback { state, talkers, trouble: None };
    Source { talk: true, talkback: Some(talkback), ..source(id, SourceState::Live) }
}

/// A page with one source that is talked into, once nothing more is to come by itself.
async fn page(state: TalkbackState, microphone: &str) -> Stage {
    memory::forget_everything();
    stage::microphone(microphone);
    let stage = Stage::with(&[talkable("kiosk", state, &[])]).await;
    until("the levels' stream", || stage.times_asked("levels=kiosk") == 1).await;
    stage
}

async fn live_page() -> Stage {
    let stage = page(TalkbackState::Open, "").await;
    stage.click(TALK);
    until_talk(&stage, "live").await;
    stage
}

fn is(stage: &Stage, wanted: &str) -> bool {
    stage.attribute(".card", "data-talk") == wanted
}

async fn until_talk(stage: &Stage, wanted: &str) {
    until(wanted, || is(stage, wanted)).await;
}

fn notice(stage: &Stage) -> String {
    stage.find("[data-talk-notice]").and_then(|it| it.get_attribute("data-talk-notice")).unwrap_or_default()
}

#[wasm_bindgen_test]
async fn a_click_is_live_when_the_way_is_open_and_another_mutes() {
    let stage = page(TalkbackState::Closed, "").await;
    assert!(
        is(&stage, "off") && stage::microphones_asked_for().is_empty(),
        "nothing is asked before a click"
    );
    stage.click(TALK);
    until_talk(&stage, "opening").await;
    assert_eq!(stage.text(".said [role=status]"), "Not heard yet. Telling the container.");
    assert!(!stage.is_heard());
    stage.relay_tells("source", &talkable("kiosk", TalkbackState::Open, &[(7, true), (9, true)]));
    until_talk(&stage, "live").await;
    assert_eq!(stage.attribute("[data-talkers]", "data-talkers"), "1", "who talks is no other");
    assert_eq!(stage.text("[data-talkers]"), "1 other here, speaking");
    assert_eq!(stage::tab_title(), "● Live: Kiosk – Soundport");
    until("its sound", || stage.is_heard()).await;
    stage.click(TALK);
    until_talk(&stage, "muted").await;
    until("silence", || !stage.is_heard()).await;
    assert_eq!((stage::microphones_in_use(), stage::tab_title().as_str()), (1, "Soundport"));
    assert_eq!(stage::sound_is_for(), "play-and-record");
    stage.click("[data-action=talk-end]");
    until_talk(&stage, "off").await;
    until("the session's end", || stage.ended().iter().any(|at| at.ends_with("/whip/kiosk/talk1"))).await;
    assert_eq!(stage::microphones_in_use(), 0);
    assert_eq!(stage::sound_is_for(), "playback");
}

#[wasm_bindgen_test]
async fn a_source_that_no_longer_takes_talk_ends_it() {
    let stage = live_page().await;
    stage.relay_tells("source", &source("kiosk", SourceState::Live));
    until("the end", || stage.find(TALK).is_none() && stage::microphones_in_use() == 0).await;
    assert_eq!(stage::tab_title(), "Soundport");
}

#[wasm_bindgen_test]
async fn a_source_that_is_gone_stays_and_is_not_live() {
    let stage = live_page().await;
    stage.relay_tells("gone", &soundport_api::Gone { id: "kiosk".into() });
    until_talk(&stage, "opening").await;
    until("silence", || !stage.is_heard()).await;
    stage.relay_tells("source", &talkable("kiosk", TalkbackState::Open, &[(7, false)]));
    until_talk(&stage, "live").await;
}

#[wasm_bindgen_test]
async fn a_page_without_a_stream_learns_of_an_open_way_soon() {
    let stage = page(TalkbackState::Closed, "").await;
    stage.relay_refuses_streams();
    stage.stream_ends();
    until("the list", || stage.times_asked("api/sources") > 0).await;
    stage.click(TALK);
    until_talk(&stage, "opening").await;
    let before = stage.times_asked("api/sources");
    stage::sleep_for(0.0);
    until("the list, again and again", || stage.times_asked("api/sources") > before + 4).await;
}

#[wasm_bindgen_test]
async fn a_voice_is_mono_and_made_fit_and_raw_is_neither() {
    let stage = live_page().await;
    let asked = stage::microphones_asked_for().remove(0);
    assert!(asked.contains(r#""echoCancellation":true"#) && asked.contains(r#""channelCount":1"#), "{asked}");
    assert!(stage.offers()[0].contains("a=sendonly") && !stage.offers()[0].contains("stereo=1"));
    stage.click("[data-action=talk-raw]");
    until("another session", || stage.offers().len() == 2).await;
    until_talk(&stage, "live").await;
    until("its sound", || stage.is_heard()).await;
    let asked = stage::microphones_asked_for().remove(1);
    let raw = ["echoCancellation", "noiseSuppression", "autoGainControl"];
    assert!(raw.iter().all(|how| asked.contains(&format!("\"{how}\":false"))), "{asked}");
    assert!(asked.contains(r#""channelCount":2"#), "{asked}");
    assert!(stage.offers()[1].contains(";stereo=1;sprop-stereo=1"), "{}", stage.offers()[1]);
    assert_eq!(stage::microphones_in_use(), 1, "the one before is let go");
    stage.close().await;
    let stage = Stage::with(&[talkable("kiosk", TalkbackState::Open, &[])]).await;
    assert_eq!(stage.attribute("[data-action=talk-raw]", "aria-pressed"), "true", "it is remembered");
}

#[wasm_bindgen_test]
async fn a_hold_speaks_while_it_lasts_by_pointer_and_by_space_bar() {
    let stage = live_page().await;
    stage.click(TALK);
    until_talk(&stage, "muted").await;
    stage::hand("pointerdown", &stage, Some(TALK));
    until_talk(&stage, "live").await;
    stage::sleep_for(0.4);
    stage::hand("pointerup", &stage, None);
    until_talk(&stage, "muted").await;
    stage::hand("keydown", &stage, None);
    until_talk(&stage, "live").await;
    stage::hand("keyup", &stage, None);
    until_talk(&stage, "muted").await;
    stage::hand("keydown", &stage, Some("[data-action=talk-raw]"));
    stage::hand("keydown", &stage, Some("[data-action=volume]"));
    // Other controls use the space bar themselves: had one of these begun a hold, this click would end it.
    stage::hand("pointerdown", &stage, Some(TALK));
    stage::hand("pointerup", &stage, None);
    until_talk(&stage, "live").await;
    stage.click(TALK);
    until_talk(&stage, "muted").await;
    stage::hand("pointerdown", &stage, Some(TALK));
    until_talk(&stage, "live").await;
    stage::hand("pointercancel", &stage, None);
    until_talk(&stage, "muted").await;
    stage::sleep_for(0.0);
    stage::hand("pointerdown", &stage, Some(TALK));
    stage::hand("pointerup", &stage, None);
    until_talk(&stage, "live").await;
    assert_eq!(stage.offers().len(), 1, "muted stays connected");
    stage.close().await;
}

#[wasm_bindgen_test]
async fn no_microphone_is_told_by_its_reason() {
    for (error, name) in [
        ("NotAllowedError", "denied"),
        ("NotFoundError", "no-device"),
        ("NotReadableError", "in-use"),
        ("InvalidStateError", "failed"),
    ] {
        let stage = page(TalkbackState::Open, error).await;
        stage.click(TALK);
        until_talk(&stage, "failed").await;
        assert_eq!(notice(&stage), name);
        assert!(stage.text("[data-talk-notice]").ends_with("then press Talk."));
        assert!(stage.offers().is_empty(), "no session without a microphone");
    }
}

#[wasm_bindgen_test]
async fn a_permission_that_comes_late_clears_the_words() {
    let stage = page(TalkbackState::Open, "NotAllowedError").await;
    stage.click(TALK);
    until_talk(&stage, "failed").await;
    until("the watch over the permission", || {
        stage::set_permission("granted");
        is(&stage, "off")
    })
    .await;
}

#[wasm_bindgen_test]
async fn a_chosen_device_that_is_gone_gives_way_to_any() {
    let stage = page(TalkbackState::Open, "").await;
    stage.click(TALK);
    until_talk(&stage, "live").await;
    until("the names", || stage.text("[data-action=talk-device]").contains("Headset")).await;
    stage.choose("[data-action=talk-device]", "Headset");
    until("the other device", || stage::microphones_asked_for().len() == 2).await;
    let asked = stage::microphones_asked_for().remove(1);
    assert!(asked.contains(r#""deviceId":{"exact":"usb"}"#), "{asked}");
    until("the old one's end", || stage::microphones_in_use() == 1).await;
    until("its sound", || stage.is_heard()).await;
    assert_eq!(stage.offers().len(), 1, "a device changes on the session that stands");
    stage::unlist_microphone("usb");
    until_talk(&stage, "failed").await;
    assert_eq!(notice(&stage), "unplugged");
    stage::microphone("OverconstrainedError");
    stage.click(TALK);
    until_talk(&stage, "live").await;
    assert_eq!(stage::microphones_asked_for().len(), 2);
    assert!(!stage::microphones_asked_for()[1].contains("deviceId"));
}

#[wasm_bindgen_test]
async fn a_microphone_that_is_taken_away_is_missed_in_words() {
    for (state, name) in [("granted", "unplugged"), ("denied", "revoked")] {
        let stage = live_page().await;
        if name == "unplugged" {
            stage::unplug_microphone();
        } else {
            until("the watch over the permission", || {
                stage::set_permission(state);
                is(&stage, "failed")
            })
            .await;
        }
        until_talk(&stage, "failed").await;
        assert_eq!(notice(&stage), name);
        assert_eq!(stage::microphones_in_use(), 0);
        until("the session's end", || stage.ended().iter().any(|at| at.ends_with("/talk1"))).await;
        stage.click(TALK);
        until_talk(&stage, "live").await;
    }
}

#[wasm_bindgen_test]
async fn a_hidden_page_mutes_and_offers_to_go_on() {
    let stage = live_page().await;
    stage::show_tab(false);
    until_talk(&stage, "muted").await;
    until("silence", || !stage.is_heard()).await;
    stage::show_tab(true);
    assert_eq!(notice(&stage), "hidden");
    until("the relay's news", || stage.has_stream()).await;
    stage.click(TALK);
    until_talk(&stage, "live").await;
    assert_eq!(notice(&stage), "");
}

#[wasm_bindgen_test]
async fn a_container_that_takes_nothing_says_why_and_comes_back_by_itself() {
    let stage = live_page().await;
    let mut refused = talkable("kiosk", TalkbackState::Refused, &[(7, false)]);
    refused.talkback.as_mut().unwrap().trouble = Some("Nothing listens there. Load module-rtp-recv.".into());
    stage.relay_tells("source", &refused);
    until_talk(&stage, "refused").await;
    assert_eq!(notice(&stage), "refused");
    assert!(stage.text("[data-talk-notice]").ends_with("Load module-rtp-recv."));
    until("silence", || !stage.is_heard()).await;
    stage.relay_tells("source", &talkable("kiosk", TalkbackState::Open, &[(7, false)]));
    until_talk(&stage, "live").await;
    until("its sound", || stage.is_heard()).await;
}

#[wasm_bindgen_test]
async fn a_relay_that_refuses_is_quoted_and_a_full_one_is_asked_again() {
    for (status, name) in [(403, "not-allowed"), (422, "refused")] {
        let stage = page(TalkbackState::Open, "").await;
        stage.relay_refuses(status);
        stage.click(TALK);
        until_talk(&stage, "failed").await;
        assert_eq!(notice(&stage), name);
        assert!(stage.text("[data-talk-notice]").ends_with("It says no."));
        assert_eq!(stage::microphones_in_use(), 0);
    }
    for status in [409, 503] {
        let stage = page(TalkbackState::Open, "").await;
        stage.relay_refuses(status);
        stage.click(TALK);
        until("another try", || stage.offers().len() > 1).await;
        assert!(is(&stage, "connecting"));
        stage.relay_refuses(0);
        until_talk(&stage, "live").await;
    }
}

#[wasm_bindgen_test]
async fn a_relay_that_restarted_is_talked_to_again() {
    let stage = live_page().await;
    stage.relay_refuses(404);
    let relay = soundport_api::Relay { instance: "two".into(), ..soundport_api::Relay::default() };
    stage.relay_tells("relay", &relay);
    until_talk(&stage, "connecting").await;
    stage.relay_refuses(0);
    until_talk(&stage, "live").await;
    until("its sound", || stage.is_heard()).await;
}

#[wasm_bindgen_test]
async fn the_relay_is_told_which_listener_is_the_talker() {
    let stage = page(TalkbackState::Open, "").await;
    stage.relay_answers_listeners(true);
    stage.click(TALK);
    until("another try", || stage.times_asked("whip/kiosk") > 1).await;
    assert_eq!(stage.times_asked("with="), 0);
    stage.click("[data-action=listen]");
    until("a try that names the listener", || stage.times_asked("?with=talk1") > 0).await;
    stage.relay_answers_listeners(false);
    until_talk(&stage, "live").await;
}

#[wasm_bindgen_test]
async fn the_microphones_level_is_seen_and_marked_where_it_is_cut_off() {
    let stage = live_page().await;
    let level = || stage.attribute(".talk .meter", "data-talk-level").parse().unwrap_or(0);
    until("a level", || (700..900).contains(&level())).await;
    assert!(stage.find("[data-talk-clip]").is_none());
    stage::speak(4.0);
    until("the mark", || stage.find("[data-talk-clip]").is_some()).await;
    stage::speak(0.0);
    until("no mark", || stage.find("[data-talk-clip]").is_none()).await;
    stage.click("[data-action=talk-end]");
    until("no level", || level() == 0).await;
}
