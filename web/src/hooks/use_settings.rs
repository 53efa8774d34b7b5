use yew::{AttrValue, Callback, UseStateHandle, hook, use_callback, use_state};

use crate::store::Settings;

/// A source's settings, remembered by the browser.
#[derive(Clone, PartialEq)]
pub struct SettingsHandle {
    settings: UseStateHandle<Settings>,
    /// Changes and remembers them.
    pub set: Callback<Settings>,
}

impl SettingsHandle {
    /// The settings now.
    pub fn now(&self) -> Settings {
        *self.settings
    }
}

/// The remembered settings of the source with this id.
#[hook]
pub fn use_settings(source: &AttrValue) -> SettingsHandle {
    let initial = source.clone();
    let settings = use_state(|| Settings::remembered(&initial));
    let set = use_callback((settings.setter(), source.clone()), |next: Settings, (settings, source)| {
        next.remember(source);
        settings.set(next);
    });
    SettingsHandle { settings, set }
}
