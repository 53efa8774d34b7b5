//! Which parts of the tests the user asked for.

/// What can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Format,
    Clippy,
    WebClippy,
    Docs,
    Unit,
    Browser,
    EndToEnd,
}

impl Part {
    const NAMES: [(&'static str, Self); 7] = [
        ("fmt", Self::Format),
        ("clippy", Self::Clippy),
        ("web-clippy", Self::WebClippy),
        ("docs", Self::Docs),
        ("unit", Self::Unit),
        ("browser", Self::Browser),
        ("e2e", Self::EndToEnd),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(own, _)| *own == name).map(|(_, part)| part)
    }
}

/// The parts to run, and the words that tests' names must hold.
#[derive(Debug)]
pub(crate) struct Plan {
    parts: Vec<Part>,
    words: Vec<String>,
}

impl Plan {
    /// Names of parts choose those; other words choose tests by name; together, tests of these parts; none, everything.
    pub(crate) fn new(filters: &[String]) -> Self {
        let mut parts: Vec<Part> = filters.iter().filter_map(|filter| Part::named(filter)).collect();
        let words: Vec<String> =
            filters.iter().filter(|filter| Part::named(filter).is_none()).cloned().collect();
        if parts.is_empty() {
            parts = match words.is_empty() {
                true => Part::NAMES.into_iter().map(|(_, part)| part).collect(),
                false => vec![Part::Unit, Part::Browser, Part::EndToEnd],
            };
        }
        Self { parts, words }
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether a word is in this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.words.iter().any(|word| name.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_everything_runs() {
        let plan = plan("");
        assert!(Part::NAMES.into_iter().all(|(_, part)| plan.has(part)));
        assert!(plan.words().is_empty());
    }

    #[test]
    fn a_part_runs_alone() {
        let plan = plan("fmt clippy");
        assert_eq!(plan.parts, [Part::Format, Part::Clippy]);
        assert!(plan.words().is_empty());
    }

    #[test]
    fn a_word_chooses_tests() {
        let plan = plan("loss");
        assert!(plan.has(Part::Unit) && plan.has(Part::EndToEnd) && !plan.has(Part::Format));
        assert!(plan.names("packet_loss") && !plan.names("echo"));
    }

    #[test]
    fn a_word_chooses_among_the_tests_of_a_part() {
        let plan = plan("e2e loss");
        assert_eq!(plan.parts, [Part::EndToEnd]);
        assert_eq!(plan.words(), ["loss"]);
    }

    fn plan(line: &str) -> Plan {
        Plan::new(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }
}
