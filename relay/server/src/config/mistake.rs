use std::fmt;
use std::sync::Arc;

/// Values are quoted up to this many characters.
const MAX_QUOTED: usize = 60;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file.
    File {
        /// The file as the user named it.
        file: Arc<str>,
        /// Its line, from 1; 0 for the file as a whole.
        line: usize,
        /// The key, such as `source.from`; may be empty.
        key: String,
    },
    /// On the command line, as the option of that key.
    Flag(&'static str),
    /// In the environment, as the variable of that key.
    Environment(&'static str),
    /// Nowhere: the key's default.
    Default(&'static str),
}

/// Something that the user got wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    place: Place,
    what: String,
}

/// All that the user got wrong, in the order in which it was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Place {
    /// Whether the user wrote nothing there.
    pub(crate) fn is_default(&self) -> bool {
        matches!(self, Self::Default(_))
    }

    /// The place as it is named in a sentence about another one.
    pub(crate) fn in_passing(&self) -> String {
        match self {
            Self::File { line, key, .. } => format!("{key} in line {line}"),
            Self::Default(key) => format!("{key}, by default"),
            other => other.to_string(),
        }
    }

    fn line(&self) -> usize {
        match self {
            Self::File { line, .. } => *line,
            _ => usize::MAX,
        }
    }
}

impl Mistakes {
    pub(crate) fn add(&mut self, place: &Place, what: impl Into<String>) {
        self.0.push(Mistake { place: place.clone(), what: what.into() });
        self.0.sort_by_key(|mistake| mistake.place.line());
    }

    /// Notes what is wrong, if it is; else hands on what was right.
    pub(crate) fn note<T>(&mut self, place: &Place, result: Result<T, String>) -> Option<T> {
        result.map_err(|what| self.add(place, what)).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, unless there are mistakes.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl std::error::Error for Mistakes {}

/// A line for each mistake.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            write!(f, "{}{mistake}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => write!(f, "{file}"),
            Self::File { file, line, key } if key.is_empty() => write!(f, "{file}:{line}"),
            Self::File { file, line, key } => write!(f, "{file}:{line}: {key}"),
            // An option that may be given several times is named by one.
            Self::Flag("origins") => write!(f, "--origin"),
            Self::Flag("proxies") => write!(f, "--proxy"),
            Self::Flag(key) => write!(f, "--{}", key.replace('_', "-")),
            Self::Environment(key) => write!(f, "SOUNDPORT_{}", key.to_ascii_uppercase()),
            Self::Default(key) => write!(f, "--{}", key.replace('_', "-")),
        }
    }
}

/// What the user wrote, on one line and not too long.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}
