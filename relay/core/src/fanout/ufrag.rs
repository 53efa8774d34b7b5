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
}
