//! What the browser remembers of each source. A browser that refuses to remember is no trouble: defaults are used.

/// The volume as the user set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Where the slider stands, 0 to 100.
    pub percent: u8,
    /// Whether the sound is off for now.
    pub muted: bool,
}

impl Default for Volume {
    fn default() -> Self {
        Self { percent: 100, muted: false }
    }
}

impl Volume {
    /// The factor on samples: the square of the slider's share, so that half way sounds about half as loud (-12 dB).
    pub fn gain(self) -> f32 {
        let share = f32::from(self.percent.min(100)) / 100.0;
        if self.muted { 0.0 } else { share * share }
    }

    /// What was remembered for a source, else the default.
    pub fn remembered(source: &str) -> Self {
        let text = storage().and_then(|storage| storage.get_item(&key(source)).ok().flatten());
        text.and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Remembers the volume for a source.
    pub fn remember(self, source: &str) {
        if let Some(storage) = storage() {
            // A full or forbidden store only means that the volume starts at its default next time.
            let _ = storage.set_item(&key(source), &self.to_text());
        }
    }

    fn to_text(self) -> String {
        format!("{}{}", self.percent, if self.muted { " muted" } else { "" })
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, muted) = match text.strip_suffix(" muted") {
            Some(number) => (number, true),
            None => (text, false),
        };
        let percent = number.parse().ok().filter(|percent| *percent <= 100)?;
        Some(Self { percent, muted })
    }
}

fn key(source: &str) -> String {
    format!("soundport.volume.{source}")
}

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_survives_its_text() {
        for volume in
            [Volume { percent: 0, muted: false }, Volume { percent: 35, muted: true }, Volume::default()]
        {
            assert_eq!(Volume::parse(&volume.to_text()), Some(volume));
        }
        for junk in ["", "101", "-1", "loud", "12 quiet", "NaN", " muted"] {
            assert_eq!(Volume::parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn half_way_is_a_quarter_of_the_samples() {
        assert_eq!(Volume { percent: 50, muted: false }.gain(), 0.25);
        assert_eq!(Volume { percent: 100, muted: false }.gain(), 1.0);
        assert_eq!(Volume { percent: 100, muted: true }.gain(), 0.0);
    }
}
