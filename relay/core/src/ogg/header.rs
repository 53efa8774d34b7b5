//! The two packets that an Opus stream begins with (RFC 7845, section 5).

/// What a player is to leave out at the beginning, in samples: 80 ms, after which a decoder that came in the middle has
/// found in (RFC 7845, section 4.2).
const PRE_SKIP: u16 = 3_840;

/// The relay encodes stereo, and mono packets of others are decoded to it.
const CHANNELS: u8 = 2;

/// No more of a title is written, in bytes.
const MAX_TITLE_BYTES: usize = 256;

const VENDOR: &str = concat!("Soundport ", env!("CARGO_PKG_VERSION"));

/// The identification header (RFC 7845, section 5.1).
pub(super) fn identification(rate_hz: u32) -> Vec<u8> {
    let mut packet = b"OpusHead\x01".to_vec();
    packet.push(CHANNELS);
    packet.extend_from_slice(&PRE_SKIP.to_le_bytes());
    packet.extend_from_slice(&rate_hz.to_le_bytes());
    // No gain, and the mapping that needs no table.
    packet.extend_from_slice(&[0, 0, 0]);
    packet
}

/// The comment header (RFC 7845, section 5.2).
pub(super) fn comments(title: &str) -> Vec<u8> {
    let mut title: String = title.chars().filter(|c| !c.is_control()).collect();
    title.truncate(title.floor_char_boundary(MAX_TITLE_BYTES));
    let mut packet = b"OpusTags".to_vec();
    let mut write = |text: &str| {
        // Both are short.
        packet.extend_from_slice(&(text.len() as u32).to_le_bytes());
        packet.extend_from_slice(text.as_bytes());
    };
    write(VENDOR);
    if title.is_empty() {
        packet.extend_from_slice(&0_u32.to_le_bytes());
        return packet;
    }
    packet.extend_from_slice(&1_u32.to_le_bytes());
    let comment = format!("TITLE={title}");
    packet.extend_from_slice(&(comment.len() as u32).to_le_bytes());
    packet.extend_from_slice(comment.as_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_between_characters_and_has_one_line() {
        let packet = comments(&format!("{}\r\n{}", "x".repeat(255), "ü"));
        let text = String::from_utf8_lossy(&packet);
        assert!(text.ends_with(&format!("TITLE={}", "x".repeat(255))), "{text}");
        assert_eq!(packet.len(), 8 + 4 + VENDOR.len() + 4 + 4 + "TITLE=".len() + 255);
    }
}
