//! *Talk*, with the browser's fake microphone, and a relay whose end of the connection is in the page itself.

use soundport_api::{Source, SourceState, Talkback, TalkbackState, Talker};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::stage::{self, Stage, source, until};

fn talkable(id: &str, state: TalkbackState, talkers: &[(u32, bool)]) -> Source {
    let talkers = talkers.iter().map(|(id, speaking)| Talker { id: *id, speaking: *speaking }).collect();
    let talkback = Talkback { state, talkers, trouble: None };
    Source { talk: true, talkback: Some(talkback), ..source(id, SourceState::Live) }
}

fn is(stage: &Stage, wanted: &str) -> bool {
    stage.attribute(".card", "data-talk") == wanted
}

#[wasm_bindgen_test]
async fn a_click_is_live_when_the_way_is_open_and_another_mutes() {
    stage::forget_everything();
    let stage = Stage::with(&[talkable("kiosk", TalkbackState::Closed, &[])]).await;
    until("the levels' stream", || stage.times_asked("levels=kiosk") == 1).await;
    assert!(is(&stage, "off"));
    stage.click("[data-action=talk]");
    until("the question", || !is(&stage, "off")).await;
    until("the connection", || is(&stage, "opening")).await;
    assert_eq!(stage.text(".said [role=status]"), "Not heard yet. Telling the container.");
    stage.relay_tells("source", &talkable("kiosk", TalkbackState::Open, &[(7, true), (9, true)]));
    until("the red light", || is(&stage, "live")).await;
    assert_eq!(stage.attribute("[data-talkers]", "data-talkers"), "1");
    assert_eq!(stage::tab_title(), "● Live: Kiosk – Soundport");
    until("its sound", || stage.is_heard()).await;
    stage.click("[data-action=talk]");
    until("the mute", || is(&stage, "muted")).await;
    until("silence", || !stage.is_heard()).await;
    stage.click("[data-action=talk-end]");
    until("the end", || is(&stage, "off")).await;
    until("the session's end", || stage.ended().len() == 1).await;
    assert!(stage.ended()[0].ends_with("/whip/kiosk/talk1"), "{:?}", stage.ended());
}
