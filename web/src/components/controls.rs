use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::{Callback, Html, InputEvent, html};

use super::button::Button;
use super::icons;
use crate::desk::{Act, View};
use crate::store::Settings;

/// Mute, the volume's slider, where it stands, and solo.
pub(super) fn controls(title: &str, view: &View, act: &Callback<Act>) -> Html {
    let settings = view.settings;
    let oninput = {
        let act = act.clone();
        Callback::from(move |event: InputEvent| {
            let slider = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            if let Some(percent) = slider.and_then(|slider| slider.value().parse::<u8>().ok()) {
                act.emit(Act::Set(Settings { percent: percent.min(100), muted: false, ..settings }));
            }
        })
    };
    let shown = if settings.muted { "Muted".to_owned() } else { format!("{} %", settings.percent) };
    let mute = Button {
        action: "mute",
        name: format!("Mute {title}"),
        face: icons::loudspeaker(settings.muted),
        pressed: Some(settings.muted),
        enabled: true,
        act: Some(Act::Set(Settings { muted: !settings.muted, ..settings })),
    };
    let solo = Button {
        action: "solo",
        name: format!("Solo {title}"),
        face: "Solo".into(),
        pressed: Some(view.solo),
        enabled: view.on,
        act: Some(Act::Solo),
    };
    html! {
        <div class="controls">
            { mute.draw(act) }
            <input
                type="range"
                min="0"
                max="100"
                step="1"
                data-action="volume"
                aria-label={format!("Volume of {title}")}
                aria-valuetext={shown.clone()}
                value={settings.percent.to_string()}
                style={format!("--share: {}%", settings.percent)}
                {oninput}
            />
            <output aria-hidden="true">{ shown }</output>
            { solo.draw(act) }
        </div>
    }
}
