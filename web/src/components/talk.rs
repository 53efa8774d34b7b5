use soundport_api::Source;
use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlSelectElement};
use yew::{Callback, Html, html};

use super::button::Button;
use super::icons;
use super::meter::Meter;
use crate::desk::{Act, LevelBoard, TalkView, View};
use crate::rtc;
use crate::state::Standing;
use crate::words;

/// *Talk*, how it stands in words, the microphone's level, and which microphone it is. The button's presses are heard by the desk.
pub(super) fn talk(source: &Source, view: &View, levels: &LevelBoard, act: &Callback<Act>) -> Html {
    let (talk, title) = (&view.talk, &source.title);
    let standing = talk.talking.standing();
    let button = |action, face: &'static str, pressed, act| Button {
        action,
        name: format!("{face}: {title}"),
        face: face.into(),
        pressed,
        enabled: true,
        act: Some(act),
    };
    let choice =
        |action, face, raw| button(action, face, Some(talk.choice.raw == raw), Act::Raw(raw)).draw(act);
    html! {
        <section class="talk" aria-label={format!("Microphone: {title}")}>
            { press(title, standing).draw(act) }
            { button("talk-end", "End", None, Act::EndTalk).draw(act) }
            { said(source, talk, standing) }
            <Meter gauge={talk.gauge.clone()} levels={levels.clone()} />
            <div class="microphone">
                { choice("talk-voice", "Voice", false) }
                { choice("talk-raw", "Raw", true) }
                { devices(title, talk, act) }
            </div>
        </section>
    }
}

/// The numbers of others who are connected to talk, and of those of them who speak.
pub(super) fn others(source: &Source, talk: &TalkView) -> (usize, usize) {
    let talkers = source.talkback.as_ref().map(|talkback| &talkback.talkers[..]).unwrap_or_default();
    let others = || talkers.iter().filter(|talker| !talk.numbers.contains(&talker.id));
    (others().count(), others().filter(|talker| talker.speaking).count())
}

/// *Talk* itself: the desk listens to how long it is pressed.
fn press(title: &str, standing: Standing) -> Button {
    let (face, does) = match standing {
        Standing::Live => ("Live", "mute"),
        _ => ("Talk", "talk"),
    };
    let waits = matches!(standing, Standing::Asking | Standing::Connecting | Standing::Opening);
    let picture = if waits { icons::under_way() } else { icons::microphone() };
    Button {
        action: "talk",
        name: format!("{face}: {title}, press to {does}"),
        face: html! { <>{ picture }<span>{ face }</span></> },
        pressed: None,
        enabled: rtc::has_microphones(),
        act: None,
    }
}

/// How it stands, what stands in the way, and who else is there.
fn said(source: &Source, talk: &TalkView, standing: Standing) -> Html {
    let notice = words::talk_notice(&talk.talking, source, rtc::has_microphones());
    let (here, speaking) = match standing {
        // What was told before the connection broke may tell of this talker.
        Standing::Connecting => (0, 0),
        _ => others(source, talk),
    };
    let name = notice.as_ref().map(|notice| notice.name);
    let note = match notice {
        Some(notice) => notice.words,
        None => words::talk_hint(&talk.talking, source).into(),
    };
    html! {
        <div class="said">
            <p role="status" data-talk-notice={name}><b>{ words::standing(standing) }</b>{ ". " }{ note }</p>
            <div>
                <span data-talkers={here.to_string()}>{ words::others(here, speaking) }</span>
                if let Some(millis) = talk.round_trip_millis {
                    <span data-round-trip-ms={(millis.round() as i64).to_string()}>
                        { format!("You hear yourself after {}", words::millis(millis)) }
                    </span>
                }
            </div>
        </div>
    }
}

/// The microphones by name, as far as the browser tells them. One that was chosen before has its place already.
fn devices(title: &str, talk: &TalkView, act: &Callback<Act>) -> Html {
    let chosen = talk.choice.device.as_ref();
    let unlisted = chosen.filter(|chosen| !talk.devices.contains(chosen));
    let onchange = act.reform(|event: Event| {
        let select = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
        Act::Device(select.and_then(|select| select.value().parse().ok()))
    });
    html! {
        <select data-action="talk-device" aria-label={format!("Microphone for {title}")} {onchange}>
            <option value="" selected={chosen.is_none()}>{ "Default microphone" }</option>
            for (place, device) in talk.devices.iter().enumerate() {
                <option value={place.to_string()} selected={chosen == Some(device)}>{ &device.label }</option>
            }
            if let Some(device) = unlisted {
                <option value="unlisted" selected={true}>{ &device.label }</option>
            }
        </select>
    }
}
