use rand::{Rng, RngExt};

/// Letters that an ICE username fragment may hold (RFC 8839, section 5.4), less `+` and `/`, which have a meaning here.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How many random letters follow the index: 47 bits, so that no stranger guesses one.
const RANDOM_LETTERS: usize = 8;

/// Draws a username fragment that names the peer at `index`, such as `1f+Qx80aZ3b`.
///
/// The index makes finding a STUN check's peer O(1); the random part makes each fragment new, also when the
/// slot is used again or ICE restarts.
pub(super) fn draw(index: usize, rng: &mut impl Rng) -> String {
    format!("{index:x}+{}", letters(RANDOM_LETTERS, rng))
}

/// Draws an ICE password of 144 bits (RFC 8445, section 5.3, asks for 128).
pub(super) fn draw_password(rng: &mut impl Rng) -> String {
    letters(24, rng)
}

/// The index that a fragment of [`draw`] names.
pub(super) fn index(ufrag: &str) -> Option<usize> {
    let (index, _) = ufrag.split_once('+')?;
    usize::from_str_radix(index, 16).ok()
}

/// The receiver's username fragment in a STUN binding request: what stands before the colon in its USERNAME
/// (RFC 8445, section 7.2.2).
///
/// ```text
///  0                   1                   2                   3
/// |0 0| message type  |        length         |  RFC 8489, section 5
/// |               magic cookie                |
/// |         transaction id (12 bytes)         |
/// | type 0x0006 | length | username, padded ...
/// ```
pub(super) fn of_stun_request(datagram: &[u8]) -> Option<&str> {
    const HEADER: usize = 20;
    const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
    const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const USERNAME: [u8; 2] = [0x00, 0x06];

    if datagram.len() < HEADER || datagram[..2] != BINDING_REQUEST || datagram[4..8] != MAGIC_COOKIE {
        return None;
    }
    let mut attributes = &datagram[HEADER..];
    while let [t0, t1, l0, l1, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = rest.get(..length)?;
        if [*t0, *t1] == USERNAME {
            return std::str::from_utf8(value).ok()?.split_once(':').map(|(local, _)| local);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn letters(count: usize, rng: &mut impl Rng) -> String {
    (0..count).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_fragment_names_its_peer() {
        let mut rng = StdRng::seed_from_u64(1);
        for slot in [0, 1, 15, 16, 9999] {
            assert_eq!(index(&draw(slot, &mut rng)), Some(slot));
        }
        assert_ne!(draw(7, &mut rng), draw(7, &mut rng));
        assert_eq!(index("Qx80aZ3b"), None);
    }

    #[test]
    fn the_username_is_found_behind_other_attributes() {
        let mut check = vec![0, 1, 0, 24, 0x21, 0x12, 0xa4, 0x42];
        check.extend([9; 12]);
        check.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        check.extend([0, 6, 0, 7]);
        check.extend(b"1f+a:xy\0");
        assert_eq!(of_stun_request(&check), Some("1f+a"));
        for cut in 0..check.len() - 1 {
            assert_eq!(of_stun_request(&check[..cut]), None, "cut at {cut}");
        }
    }
}
