use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::{AttrValue, Callback, Html, InputEvent, MouseEvent, Properties, component, html};

use super::icons;
use super::toggle::Toggle;
use crate::hooks::SettingsHandle;
use crate::store::Settings;

/// What is set.
#[derive(Clone, PartialEq, Properties)]
pub struct ControlsProps {
    /// The source's title, for screen readers.
    pub title: AttrValue,
    /// Its settings.
    pub settings: SettingsHandle,
    /// Whether it silences the others.
    pub solo: bool,
    /// Whether it is listened to.
    pub on: bool,
    /// Silences the others, or lets them be heard again.
    pub turn_solo: Callback<MouseEvent>,
}

/// Mute, the volume's slider, where it stands, and solo.
#[component]
pub fn Controls(props: &ControlsProps) -> Html {
    let settings = props.settings.now();
    let set = &props.settings.set;
    let oninput = {
        let set = set.clone();
        Callback::from(move |event: InputEvent| {
            let slider = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            if let Some(percent) = slider.and_then(|slider| slider.value().parse::<u8>().ok()) {
                set.emit(Settings { percent: percent.min(100), muted: false, ..settings });
            }
        })
    };
    let shown = if settings.muted { "Muted".to_owned() } else { format!("{} %", settings.percent) };
    let mute = Toggle {
        action: "mute",
        name: format!("Mute {}", props.title).into(),
        face: icons::loudspeaker(settings.muted),
        pressed: settings.muted,
        enabled: true,
        onclick: set.reform(move |_: MouseEvent| Settings { muted: !settings.muted, ..settings }),
    };
    let solo = Toggle {
        action: "solo",
        name: format!("Solo {}", props.title).into(),
        face: "Solo".into(),
        pressed: props.solo,
        enabled: props.on,
        onclick: props.turn_solo.clone(),
    };
    html! {
        <div class="controls">
            { mute }
            <input
                type="range"
                min="0"
                max="100"
                step="1"
                data-action="volume"
                aria-label={format!("Volume of {}", props.title)}
                aria-valuetext={shown.clone()}
                value={settings.percent.to_string()}
                style={format!("--share: {}%", settings.percent)}
                {oninput}
            />
            <output aria-hidden="true">{ shown }</output>
            { solo }
        </div>
    }
}
