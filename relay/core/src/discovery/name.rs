use std::net::IpAddr;

/// The longest name, in characters.
const MAX_CHARS: usize = 64;

/// What senders put before the host's name, unless told otherwise. Without a host behind it, it names nothing.
const STOCK: [&str; 2] = ["PulseAudio RTP Stream", "PipeWire RTP Stream"];

/// What says nothing: no name (RFC 8866, sections 5.2 and 5.3), or one that every container has.
const NAMELESS: [&str; 8] = ["", "-", "localhost", "root", "user", "pulse", "pipewire", "nobody"];

/// A stream's name for people: what its `s=` line says, else its `o=` line, else the sender's address. At most 64
/// characters, all visible.
pub(crate) fn for_people(session_name: &str, origin: &str, sender: IpAddr) -> String {
    let name = without_stock(&clean(session_name)).to_owned();
    if says_something(&name) {
        return name;
    }
    let mut fields = origin.split_ascii_whitespace();
    let user = fields.next().unwrap_or_default();
    let host = fields.next_back().filter(|host| host.parse::<IpAddr>().is_err()).unwrap_or_default();
    [host, user]
        .into_iter()
        .map(clean)
        .find(|name| says_something(name))
        .unwrap_or_else(|| sender.to_string())
}

/// The text on one line, without what cannot be seen or turns writing round.
pub(crate) fn clean(text: &str) -> String {
    let visible: String = text
        .chars()
        .filter_map(|c| match c {
            c if c.is_whitespace() => Some(' '),
            c if c.is_control() || is_invisible(c) => None,
            c => Some(c),
        })
        .collect();
    let words: Vec<&str> = visible.split_ascii_whitespace().collect();
    let short: String = words.join(" ").chars().take(MAX_CHARS).collect();
    short.trim_end().to_owned()
}

fn without_stock(name: &str) -> &str {
    STOCK
        .iter()
        .find_map(|stock| name.strip_prefix(stock))
        .and_then(|rest| match rest {
            "" | " on" => Some(""),
            rest => rest.strip_prefix(" on "),
        })
        .unwrap_or(name)
}

fn says_something(name: &str) -> bool {
    !NAMELESS.iter().any(|nameless| name.eq_ignore_ascii_case(nameless))
}

/// Characters that are not seen, or change the direction of those that are (Unicode's default ignorables and separators).
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_visible_and_never_empty() {
        let long = "long ".repeat(40);
        for (session, origin, expected) in [
            ("PulseAudio RTP Stream on desktop", "root 1 0 IN IP4 10.0.0.1", "desktop"),
            ("PipeWire RTP Stream on kiosk", "root 1 0 IN IP4 0.0.0.0", "kiosk"),
            ("PipeWire RTP Stream on ", "anna 1 0 IN IP4 0.0.0.0", "anna"),
            ("PulseAudio RTP Stream", "root 1 0 IN IP4 kiosk.example", "kiosk.example"),
            ("PulseAudio RTP Stream on localhost", "root 1 0 IN IP4 10.0.0.1", "10.0.0.9"),
            ("PulseAudio RTP Streaming", "- 1 0 IN IP4 10.0.0.1", "PulseAudio RTP Streaming"),
            ("-", "- 1 0 IN IP4 10.0.0.1", "10.0.0.9"),
            (" ", "", "10.0.0.9"),
            ("Küche <b>&amp;</b>", "", "Küche <b>&amp;</b>"),
            ("a\u{202e}b\u{200b}\u{7}c\td\u{feff}", "", "abc d"),
            ("\u{200b}\u{2800}", "- 1 0 IN IP4 10.0.0.1", "10.0.0.9"),
            (&long, "", "long long long long long long long long long long long long long"),
        ] {
            let name = for_people(session, origin, [10, 0, 0, 9].into());
            assert_eq!(name, expected, "{session:?}");
            assert!(name.chars().count() <= MAX_CHARS);
        }
    }
}
