//! What must be known of a STUN check before, or besides, what str0m makes of it (RFC 8489, RFC 8445).

const USERNAME: u16 = 0x0006;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;

/// A connectivity check: a STUN binding request with a username. Nothing here is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check<'a> {
    /// The receiver's username fragment: what stands before the colon (RFC 8445, section 7.2.2).
    pub(super) ufrag: &'a str,
    /// Whether the sender chose this pair of addresses (RFC 8445, section 7.1.2).
    pub(super) nominates: bool,
    /// The priority of the sender's address, were it a candidate (RFC 8445, section 7.1.1).
    pub(super) priority: u32,
}

impl<'a> Check<'a> {
    /// Reads a datagram. None if it is not a check.
    ///
    /// ```text
    ///  0                   1                   2                   3
    /// |0 0| message type  |        length         |
    /// |               magic cookie                |
    /// |         transaction id (12 bytes)         |
    /// |  attribute type   |        length         |
    /// |  value, padded to a multiple of 4 bytes ...
    /// ```
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        const HEADER: usize = 20;
        const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
        const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

        if datagram.len() < HEADER || datagram[..2] != BINDING_REQUEST || datagram[4..8] != MAGIC_COOKIE {
            return None;
        }
        let mut ufrag = None;
        let mut nominates = false;
        let mut priority = 0;
        let mut attributes = &datagram[HEADER..];
        while let [t0, t1, l0, l1, rest @ ..] = attributes {
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            let value = rest.get(..length)?;
            match u16::from_be_bytes([*t0, *t1]) {
                USERNAME => ufrag = std::str::from_utf8(value).ok()?.split_once(':').map(|(local, _)| local),
                PRIORITY => priority = u32::from_be_bytes(value.try_into().ok()?),
                USE_CANDIDATE => nominates = true,
                _ => {}
            }
            attributes = rest.get(length.next_multiple_of(4)..)?;
        }
        Some(Self { ufrag: ufrag?, nominates, priority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_says_is_found_behind_other_attributes() {
        let mut check = vec![0, 1, 0, 24, 0x21, 0x12, 0xa4, 0x42];
        check.extend([9; 12]);
        check.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        check.extend([0, 6, 0, 7]);
        check.extend(b"1f+a:xy\0");
        assert_eq!(Check::parse(&check), Some(Check { ufrag: "1f+a", nominates: false, priority: 0 }));
        for cut in 0..check.len() - 1 {
            assert_eq!(Check::parse(&check[..cut]), None, "cut at {cut}");
        }
        check.extend([0, 0x25, 0, 0, 0, 0x24, 0, 4, 0, 0, 1, 1]);
        assert_eq!(Check::parse(&check), Some(Check { ufrag: "1f+a", nominates: true, priority: 257 }));
    }
}
