/// Whether a source is meant by what was typed to find it: each word of it is in the title or in the id.
///
/// All in lower case, which the browser makes of them: it knows every script already.
pub fn is_meant(title: &str, id: &str, typed: &str) -> bool {
    let holds =
        |text: &str, word: &str| text.as_bytes().windows(word.len()).any(|part| part == word.as_bytes());
    typed.split_whitespace().all(|word| holds(title, word) || holds(id, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_looked_for_in_title_and_id() {
        for typed in ["", "  ", "küche", "kü", "kiosk", "süd kiosk", "2"] {
            assert!(is_meant("küche süd", "kiosk-2", typed), "{typed}");
        }
        for typed in ["kitchen", "küche nord", "kiosk3", "küche süd und west"] {
            assert!(!is_meant("küche süd", "kiosk-2", typed), "{typed}");
        }
    }
}
