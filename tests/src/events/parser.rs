use anyhow::{Context, Result, bail};

/// Longer lines are no events of ours.
const LARGEST_LINE_BYTES: usize = 1 << 20;

/// Server-sent events (HTML, section 9.2.6) in an answer of HTTP/1.1, chunked or not.
#[derive(Debug, Default)]
pub(super) struct Parser {
    head: Option<String>,
    /// Bytes as they came, of which the rest is not complete yet.
    wire: Vec<u8>,
    /// What is left of the chunk being read.
    chunk: usize,
    text: Vec<u8>,
    name: String,
    data: Option<String>,
}

/// An event as it is written, or a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    Event { name: String, data: String },
    Comment,
}

impl Parser {
    /// The status line and the headers in small letters, once they are complete.
    pub(super) fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    /// Takes bytes as they come, and returns the events that are complete by them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Raw>> {
        self.wire.extend_from_slice(bytes);
        if self.head.is_none() {
            let Some(end) = position(&self.wire, b"\r\n\r\n") else { return Ok(Vec::new()) };
            let head: Vec<u8> = self.wire.drain(..end + 4).collect();
            self.head = Some(String::from_utf8_lossy(&head).to_ascii_lowercase());
        }
        self.unchunk()?;
        self.lines()
    }

    fn unchunk(&mut self) -> Result<()> {
        if !self.head.as_ref().is_some_and(|head| head.contains("transfer-encoding: chunked")) {
            self.text.append(&mut self.wire);
            return Ok(());
        }
        loop {
            if self.chunk > 0 {
                let taken = self.chunk.min(self.wire.len());
                self.text.extend(self.wire.drain(..taken));
                self.chunk -= taken;
                if self.chunk > 0 {
                    return Ok(());
                }
            }
            // The line break after a chunk stands before the next one's length.
            let start = if self.wire.starts_with(b"\r\n") { 2 } else { 0 };
            let Some(end) = position(&self.wire[start..], b"\r\n") else { return Ok(()) };
            let line: Vec<u8> = self.wire.drain(..start + end + 2).collect();
            let length = String::from_utf8_lossy(&line[start..start + end]).into_owned();
            self.chunk = usize::from_str_radix(&length, 16)
                .with_context(|| format!("{length:?} is no chunk's length"))?;
            if self.chunk == 0 {
                bail!("the relay ended the stream");
            }
        }
    }

    fn lines(&mut self) -> Result<Vec<Raw>> {
        let mut found = Vec::new();
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            let line = std::str::from_utf8(&line).context("an event that is not UTF-8")?;
            self.line(line.trim_end_matches(['\r', '\n']), &mut found);
        }
        if self.text.len() > LARGEST_LINE_BYTES {
            bail!("a line of over {LARGEST_LINE_BYTES} bytes");
        }
        Ok(found)
    }

    fn line(&mut self, line: &str, found: &mut Vec<Raw>) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let name = std::mem::take(&mut self.name);
                found.extend(self.data.take().map(|data| Raw::Event { name, data }));
            }
            "" => found.push(Raw::Comment),
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            },
            _ => {}
        }
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        c\r\nevent: gone\n\r\n1a\r\ndata: {\ndata: }\n\n: here\nda\r\n8\r\nta: 1\n\n\n\r\n";

    #[test]
    fn events_are_read_however_the_bytes_come() {
        let gone = Raw::Event { name: "gone".into(), data: "{\n}".into() };
        let expected = [gone, Raw::Comment, Raw::Event { name: String::new(), data: "1".into() }];
        for size in [1, 7, ANSWER.len()] {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            ANSWER.chunks(size).for_each(|bytes| found.extend(parser.feed(bytes).unwrap()));
            assert_eq!(found, expected, "{size} bytes at a time");
        }
    }

    #[test]
    fn the_end_of_a_stream_is_an_error() {
        let mut parser = Parser::default();
        parser.feed(ANSWER).unwrap();
        assert!(parser.feed(b"0\r\n\r\n").is_err());
    }
}
