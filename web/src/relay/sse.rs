//! Server-sent events (HTML, section 9.2), as far as the relay uses them: read from bytes as they come.

/// An event that grew over this is no event of the relay's: a thousand sources take a quarter of it.
const MOST_BYTES: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// What it is called.
    pub(super) name: String,
    /// What it holds; lines are joined by a line feed.
    pub(super) data: String,
}

/// The stream held an event longer than any that the relay sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Cuts bytes into events, however the network cut them.
///
/// Lines are cut before they are decoded, so that a character may come in two parts.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    message: Message,
    after_return: bool,
}

impl Parser {
    /// Takes the next bytes, and hands on the events that end in them.
    pub(super) fn push(&mut self, bytes: &[u8], take: &mut dyn FnMut(Message)) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(take),
                byte => self.line.push(byte),
            }
            if self.line.len() + self.message.data.len() > MOST_BYTES {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, take: &mut dyn FnMut(Message)) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            if !message.data.is_empty() {
                take(message);
            }
            return;
        }
        // What is not UTF-8 is not the relay's.
        let Some((field, value)) = std::str::from_utf8(&line).ok().and_then(|line| line.split_once(':'))
        else {
            return;
        };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.name),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]]) -> Vec<(String, String)> {
        let (mut parser, mut found) = (Parser::default(), vec![]);
        for part in parts {
            parser.push(part, &mut |message| found.push((message.name, message.data))).unwrap();
        }
        found
    }

    fn pair(name: &str, data: &str) -> (String, String) {
        (name.into(), data.into())
    }

    #[test]
    fn events_are_read_however_their_lines_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text =
                ["event: gone", "data: {\"id\":\"kiosk\"}", "", "event:relay", "data:{}", "", ""].join(end);
            let wanted = [pair("gone", "{\"id\":\"kiosk\"}"), pair("relay", "{}")];
            assert_eq!(read(&[text.as_bytes()]), wanted, "{end:?}");
        }
    }

    #[test]
    fn the_network_may_cut_anywhere() {
        let text = ": hello\r\n\r\nevent: source\r\ndata: Küche 音\r\ndata: zwei\r\n\r\n".as_bytes();
        for cut in 0..=text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(read(&[head, tail]), [pair("source", "Küche 音\nzwei")], "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&single), [pair("source", "Küche 音\nzwei")]);
    }

    #[test]
    fn what_means_nothing_is_passed_over() {
        let text = b": comment\nid: 7\nretry: 10\nodd\nevent: empty\n\n\n\nevent: half\ndata: not ended";
        assert_eq!(read(&[text]), []);
        assert_eq!(read(&[b"data: \xff\ndata: ok\n\n"]), [pair("", "ok")]);
    }

    #[test]
    fn a_name_does_not_outlive_its_event() {
        assert_eq!(read(&[b"event: a\ndata: 1\n\ndata: 2\n\n"]), [pair("a", "1"), pair("", "2")]);
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut parser = Parser::default();
        let chunk = [b'x'; 65_536];
        let ended = (0..17).any(|_| parser.push(&chunk, &mut |_| {}) == Err(TooLong));
        assert!(ended && parser.line.len() <= MOST_BYTES + 1);
    }
}
