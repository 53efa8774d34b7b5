//! What the browser remembers. A browser that refuses to remember is no trouble: defaults are used.

use web_sys::Storage;
use yew::AttrValue;

/// Where a tab remembers what it plays: ids, one a line.
const PLAYING: &str = "soundport.playing";

/// Where the choice of microphone is remembered.
const MICROPHONE: &str = "soundport.microphone";

/// How a source is heard, as the user set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where the volume's slider stands, 0 to 100.
    pub percent: u8,
    /// Whether the sound is off for now.
    pub muted: bool,
    /// Whether a steady sound is worth a longer delay.
    pub robust: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { percent: 100, muted: false, robust: false }
    }
}

impl Settings {
    /// The factor on samples: the square of the slider's share, so that half way sounds about half as loud (-12 dB).
    pub fn gain(self) -> f32 {
        let share = f32::from(self.percent.min(100)) / 100.0;
        if self.muted { 0.0 } else { share * share }
    }

    /// What was remembered for a source, else the default.
    pub fn remembered(source: &str) -> Self {
        let text = lasting().and_then(|storage| storage.get_item(&key(source)).ok().flatten());
        text.and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Remembers the settings for a source.
    pub fn remember(self, source: &str) {
        if let Some(storage) = lasting() {
            // A full or forbidden store only means that the source starts with the defaults next time.
            let _ = storage.set_item(&key(source), &self.to_text());
        }
    }

    fn to_text(self) -> String {
        let muted = if self.muted { " muted" } else { "" };
        let robust = if self.robust { " robust" } else { "" };
        format!("{}{muted}{robust}", self.percent)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let percent = words.next()?.parse().ok().filter(|percent| *percent <= 100)?;
        let mut settings = Self { percent, ..Self::default() };
        for word in words {
            match word {
                "muted" => settings.muted = true,
                "robust" => settings.robust = true,
                _ => return None,
            }
        }
        Some(settings)
    }
}

/// Which microphone is used, and how it hears.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Whether it is left as it is, and in stereo; else it is made fit for a voice.
    pub raw: bool,
    /// The device; none for what the browser takes by itself.
    pub device: Option<Device>,
}

/// A microphone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name for programs.
    pub id: AttrValue,
    /// Its name for people.
    pub label: AttrValue,
}

impl Choice {
    /// What was remembered, else the default.
    pub fn remembered() -> Self {
        let text = lasting().and_then(|storage| storage.get_item(MICROPHONE).ok().flatten());
        Self::parse(&text.unwrap_or_default())
    }

    /// Remembers the choice.
    pub fn remember(&self) {
        if let Some(storage) = lasting() {
            // As above.
            let _ = storage.set_item(MICROPHONE, &self.to_text());
        }
    }

    fn to_text(&self) -> String {
        let how = if self.raw { "raw" } else { "voice" };
        match &self.device {
            Some(device) => format!("{how}\n{}\n{}", device.id, device.label),
            None => how.to_owned(),
        }
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.splitn(3, '\n').map(str::to_owned);
        let raw = lines.next().is_some_and(|how| how == "raw");
        let device = lines.next().zip(lines.next());
        Self { raw, device: device.map(|(id, label)| Device { id: id.into(), label: label.into() }) }
    }
}

/// The sources that this tab played when it was loaded again, or left.
pub fn playing() -> Vec<String> {
    let text = of_tab().and_then(|storage| storage.get_item(PLAYING).ok().flatten()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Remembers for this tab that a source is played, or no longer is.
pub fn remember_playing(source: &str, on: bool) {
    let mut playing = playing();
    playing.retain(|id| id != source);
    if on {
        playing.push(source.to_owned());
    }
    if let Some(storage) = of_tab() {
        // As above.
        let _ = storage.set_item(PLAYING, &playing.join("\n"));
    }
}

fn key(source: &str) -> String {
    format!("soundport.volume.{source}")
}

fn lasting() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

fn of_tab() -> Option<Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Settings = Settings { percent: 100, muted: false, robust: false };

    #[test]
    fn settings_survive_their_text() {
        for settings in [
            PLAIN,
            Settings { percent: 0, ..PLAIN },
            Settings { percent: 35, muted: true, ..PLAIN },
            Settings { robust: true, ..PLAIN },
            Settings { percent: 7, muted: true, robust: true },
        ] {
            assert_eq!(Settings::parse(&settings.to_text()), Some(settings));
        }
        for junk in ["", "101", "-1", "loud", "12 quiet", "NaN", " muted", "12 muted loud"] {
            assert_eq!(Settings::parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn the_microphone_survives_its_text() {
        let device = Device { id: "3f2a".into(), label: "Headset (USB)".into() };
        for (raw, device) in [(false, None), (true, None), (true, Some(device))] {
            let choice = Choice { raw, device };
            assert_eq!(Choice::parse(&choice.to_text()), choice);
        }
        for junk in ["", "loud", "voice\nhalf"] {
            assert_eq!(Choice::parse(junk), Choice::default(), "{junk}");
        }
    }

    #[test]
    fn half_way_is_a_quarter_of_the_samples() {
        assert_eq!(Settings { percent: 50, ..PLAIN }.gain(), 0.25);
        assert_eq!(PLAIN.gain(), 1.0);
        assert_eq!(Settings { muted: true, ..PLAIN }.gain(), 0.0);
    }
}
