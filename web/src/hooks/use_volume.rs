use yew::{AttrValue, Callback, UseStateHandle, hook, use_callback, use_state};

use crate::store::Volume;

/// A source's volume, remembered by the browser.
#[derive(Clone, PartialEq)]
pub struct VolumeHandle {
    volume: UseStateHandle<Volume>,
    /// Moves the slider to a percentage; a slider that is moved is not muted.
    pub set_percent: Callback<u8>,
    /// Mutes, or lets be heard again.
    pub toggle_mute: Callback<()>,
}

impl VolumeHandle {
    /// The volume now.
    pub fn volume(&self) -> Volume {
        *self.volume
    }
}

/// The remembered volume of the source with this id.
#[hook]
pub fn use_volume(source: &AttrValue) -> VolumeHandle {
    let initial = source.clone();
    let volume = use_state(|| Volume::remembered(&initial));
    let set_percent = use_callback((volume.clone(), source.clone()), |percent: u8, (volume, source)| {
        let next = Volume { percent: percent.min(100), muted: false };
        next.remember(source);
        volume.set(next);
    });
    let toggle_mute = use_callback((volume.clone(), source.clone()), |(), (volume, source)| {
        let next = Volume { muted: !volume.muted, ..**volume };
        next.remember(source);
        volume.set(next);
    });
    VolumeHandle { volume, set_percent, toggle_mute }
}
