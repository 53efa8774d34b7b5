use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::{AttrValue, Callback, Html, InputEvent, MouseEvent, Properties, component, html};

use super::icons;
use crate::hooks::VolumeHandle;

/// Whose volume.
#[derive(Clone, PartialEq, Properties)]
pub struct VolumeProps {
    /// The source's title, for screen readers.
    pub title: AttrValue,
    /// The volume.
    pub volume: VolumeHandle,
}

/// Mute, the slider, and where it stands.
#[component]
pub fn VolumeControl(props: &VolumeProps) -> Html {
    let volume = props.volume.volume();
    let oninput = {
        let set_percent = props.volume.set_percent.clone();
        Callback::from(move |event: InputEvent| {
            let slider = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            if let Some(percent) = slider.and_then(|slider| slider.value().parse().ok()) {
                set_percent.emit(percent);
            }
        })
    };
    let onclick = props.volume.toggle_mute.reform(|_: MouseEvent| ());
    let shown = if volume.muted { "Muted".to_owned() } else { format!("{} %", volume.percent) };
    html! {
        <div class="volume">
            <button
                type="button"
                class="button icon"
                data-action="mute"
                aria-pressed={volume.muted.to_string()}
                aria-label={format!("Mute {}", props.title)}
                {onclick}
            >
                { icons::loudspeaker(volume.muted) }
            </button>
            <input
                type="range"
                min="0"
                max="100"
                step="1"
                data-action="volume"
                aria-label={format!("Volume of {}", props.title)}
                aria-valuetext={shown.clone()}
                value={volume.percent.to_string()}
                style={format!("--share: {}%", volume.percent)}
                {oninput}
            />
            <output aria-hidden="true">{ shown }</output>
        </div>
    }
}
