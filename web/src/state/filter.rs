use soundport_api::Source;

/// Whether a source is meant by what was typed to find it: each word of it is in the title or in the id, in any case.
pub fn is_meant(source: &Source, typed: &str) -> bool {
    let (title, id) = (source.title.to_lowercase(), source.id.to_lowercase());
    typed.to_lowercase().split_whitespace().all(|word| title.contains(word) || id.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sources::tests::source;
    use soundport_api::SourceState;

    #[test]
    fn each_word_is_looked_for_in_title_and_id() {
        let kiosk = Source { title: "Küche Süd".into(), ..source("kiosk-2", SourceState::Live) };
        for typed in ["", "  ", "küche", "KÜ", "kiosk", "süd kiosk", "2"] {
            assert!(is_meant(&kiosk, typed), "{typed}");
        }
        for typed in ["kitchen", "küche nord", "kiosk3"] {
            assert!(!is_meant(&kiosk, typed), "{typed}");
        }
    }
}
