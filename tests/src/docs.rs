//! What the documentation tells people to type: every block of code, and every command and setting within a sentence.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Programs that a reader may be told to run, besides those of this machine.
const PROGRAMS: [&str; 12] = [
    "apt-get",
    "caddy",
    "cargo",
    "docker",
    "dpkg",
    "kubectl",
    "npm",
    "podman",
    "podman-compose",
    "soundport",
    "systemctl",
    "trunk",
];

/// A piece of the documentation that is not prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The file, from the top of the repository.
    pub file: String,
    /// The line that it begins in, from 1.
    pub line: usize,
    /// Whether it stands alone; else it is part of a sentence.
    pub is_block: bool,
    /// The text, without indentation or fences.
    pub text: String,
}

/// All of the documentation.
#[derive(Debug)]
pub struct Docs {
    snippets: Vec<Snippet>,
}

impl Docs {
    /// The README, CONTRIBUTING, `docs/` and what `deploy/` tells.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read() -> Result<Self> {
        let mut snippets = Vec::new();
        for file in files()? {
            let text = fs::read_to_string(top().join(&file)).with_context(|| file.clone())?;
            snippets.extend(parse(&file, &text));
        }
        Ok(Self { snippets })
    }

    /// Every block, and of what stands in sentences everything that somebody might type.
    pub fn snippets(&self) -> impl Iterator<Item = &Snippet> {
        self.snippets.iter().filter(|snippet| snippet.is_block || snippet.is_typed())
    }

    /// Those of [`Self::snippets`] that `wanted` picks, each text once.
    pub fn distinct(&self, wanted: impl Fn(&Snippet) -> bool) -> Vec<&Snippet> {
        let mut known = BTreeSet::new();
        self.snippets().filter(|snippet| wanted(snippet) && known.insert(&snippet.text)).collect()
    }
}

impl Snippet {
    /// Its lines that are not empty.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim_end).filter(|line| !line.is_empty())
    }

    /// Its lines, where those that go on after a backslash are one.
    pub fn commands(&self) -> Vec<String> {
        let whole = self.text.replace("\\\n", " ");
        whole.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// The program that its first line runs, after variables that are set for it.
    pub fn program(&self) -> &str {
        let mut words = self.text.split_whitespace();
        let is_variable = |word: &str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
        words.find(|word| !is_variable(word)).unwrap_or_default()
    }

    /// Whether it is a setting of the configuration file: `talk = true`, or more of them.
    pub fn is_configuration(&self) -> bool {
        let is_key = |line: &str| {
            let Some((key, value)) = line.split_once('=') else { return false };
            let key = key.trim();
            !key.is_empty()
                && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                && value.starts_with(' ')
        };
        let is_table = |line: &str| line.starts_with('[') && line.ends_with(']');
        let mut lines = self.lines();
        let is_all = self.lines().all(|line| is_key(line) || is_table(line) || line.starts_with('#'));
        is_all && lines.any(is_key)
    }

    fn is_typed(&self) -> bool {
        let has_arguments = self.text.trim().contains(' ');
        let is_program = || PROGRAMS.contains(&self.program()) || is_installed(self.program());
        self.is_option() || self.is_variable() || self.is_configuration() || (has_arguments && is_program())
    }

    /// Whether it is an option, such as `--https`.
    pub fn is_option(&self) -> bool {
        self.text.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    }

    /// Whether it is one of the relay's environment variables.
    pub fn is_variable(&self) -> bool {
        self.text.starts_with("SOUNDPORT_") && is_name(&self.text)
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// A text with values in the places of these words, where they stand as a whole word.
pub fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (word, value)| replace_word(&text, word, value))
}

fn files() -> Result<Vec<String>> {
    let mut files = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "deploy"] {
        for entry in fs::read_dir(top().join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            files.extend(name.ends_with(".md").then(|| format!("{folder}/{name}")));
        }
    }
    files.sort();
    Ok(files)
}

/// Blocks are indented by four after an empty line, or fenced; all other code is between backquotes.
fn parse(file: &str, text: &str) -> Vec<Snippet> {
    let mut snippets: Vec<Snippet> = Vec::new();
    let mut fence: Option<Snippet> = None;
    let mut in_block = false;
    let mut after_empty = true;
    let mut paragraph = at(file, 1, false, "");
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            match fence.take() {
                Some(block) => snippets.push(block),
                None => fence = Some(at(file, index + 1, true, "")),
            }
        } else if let Some(block) = &mut fence {
            add(&mut block.text, line);
        } else if let Some(code) = line.strip_prefix("    ").filter(|_| in_block || after_empty) {
            match snippets.last_mut().filter(|_| in_block) {
                Some(block) => add(&mut block.text, code),
                None => snippets.push(at(file, index + 1, true, code)),
            }
            in_block = true;
        } else if line.trim().is_empty() {
            snippets.extend(within(&std::mem::replace(&mut paragraph, at(file, 1, false, ""))));
            if let Some(block) = snippets.last_mut().filter(|_| in_block) {
                block.text.push('\n');
            }
        } else {
            in_block = false;
            if paragraph.text.is_empty() {
                paragraph.line = index + 1;
            }
            add(&mut paragraph.text, line);
        }
        after_empty = line.trim().is_empty();
    }
    snippets.extend(within(&paragraph));
    for snippet in &mut snippets {
        snippet.text = snippet.text.trim_end().to_owned();
    }
    snippets
}

fn at(file: &str, line: usize, is_block: bool, text: &str) -> Snippet {
    Snippet { file: file.to_owned(), line, is_block, text: text.to_owned() }
}

/// What stands between backquotes in a paragraph, also where its line ends within.
fn within(paragraph: &Snippet) -> Vec<Snippet> {
    let mut line = paragraph.line;
    let mut found = Vec::new();
    for (index, part) in paragraph.text.split('`').enumerate() {
        if index % 2 == 1 {
            found.push(at(&paragraph.file, line, false, &part.replace('\n', " ")));
        }
        line += part.matches('\n').count();
    }
    found
}

fn add(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

fn replace_word(text: &str, word: &str, value: &str) -> String {
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(word) {
        let (before, after) = (&rest[..start], &rest[start + word.len()..]);
        let is_whole = !before.ends_with(part_of_a_name) && !after.starts_with(part_of_a_name);
        replaced.push_str(before);
        replaced.push_str(if is_whole { value } else { word });
        rest = after;
    }
    replaced + rest
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_installed(program: &str) -> bool {
    let is_plain = !program.is_empty() && !program.contains('/');
    let path = std::env::var_os("PATH").unwrap_or_default();
    is_plain && std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Say `talk =\ntrue`, or\n\n    soundport serve \\\n        --demo\n\n    soundport check\n\nthen `A` and `sh -c x`.\n\n```toml\nroom = true\n```\n";

    #[test]
    fn blocks_and_what_stands_in_sentences_are_found() {
        let found = parse("a.md", TEXT);
        let found: Vec<(usize, bool, &str)> =
            found.iter().map(|one| (one.line, one.is_block, one.text.as_str())).collect();
        let block = "soundport serve \\\n    --demo\n\nsoundport check";
        let expected = [
            (1, false, "talk = true"),
            (4, true, block),
            (9, false, "A"),
            (9, false, "sh -c x"),
            (11, true, "room = true"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_somebody_might_type_is_told_from_names() {
        let is_typed = |text: &str| {
            Snippet { file: String::new(), line: 1, is_block: false, text: text.into() }.is_typed()
        };
        for typed in
            ["--https", "SOUNDPORT_HTTPS", "talk = true", "soundport check", "A=1 sh -c x", "docker run -p"]
        {
            assert!(is_typed(typed), "{typed}");
        }
        for name in ["L16", "parec", "/healthz", "a=sendrecv", "talk", "[ice]", "[]"] {
            assert!(!is_typed(name), "{name}");
        }
    }

    #[test]
    fn only_whole_words_are_filled_in() {
        assert_eq!(filled("rtp://FILE:1 FILES FILE", &[("FILE", "a")]), "rtp://a:1 FILES a");
    }
}
