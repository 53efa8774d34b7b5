//! Pages of one logical stream (RFC 3533, section 6).

/// Segments that a page holds at most, and the longest segment.
const MAX_SEGMENTS: usize = 255;
const SEGMENT_BYTES: usize = 255;

/// The longest packet that is taken: none goes on in the next page.
pub(super) const MAX_PACKET_BYTES: usize = MAX_SEGMENTS * SEGMENT_BYTES - 1;

/// Flags of a page's type.
const FIRST: u8 = 2;
const LAST: u8 = 4;

const CHECKSUM_AT: usize = 22;

/// Packets become pages.
#[derive(Debug)]
pub(super) struct Pages {
    serial: u32,
    /// Pages so far.
    number: u32,
    /// The granule position at the end of the latest page.
    position: u64,
    /// The page that is being filled.
    lacing: Vec<u8>,
    body: Vec<u8>,
}

impl Pages {
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, number: 0, position: 0, lacing: Vec::new(), body: Vec::new() }
    }

    /// Where the latest page ended.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether a packet goes into the page that is being filled.
    pub(super) fn has_room(&self, packet: &[u8]) -> bool {
        self.lacing.len() + packet.len() / SEGMENT_BYTES < MAX_SEGMENTS
    }

    /// Puts a packet there; see [`Pages::has_room`].
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.lacing.extend(std::iter::repeat_n(u8::MAX, packet.len() / SEGMENT_BYTES));
        self.lacing.push((packet.len() % SEGMENT_BYTES) as u8);
        self.body.extend_from_slice(packet);
    }

    /// Writes the page, unless it is empty. `position` is that of its last sample (RFC 7845, section 4).
    pub(super) fn flush(&mut self, position: u64, out: &mut Vec<u8>) {
        if !self.lacing.is_empty() {
            let first = if self.number == 0 { FIRST } else { 0 };
            self.write(first, position, out);
        }
    }

    /// Writes the page as the last of all.
    pub(super) fn finish(&mut self, position: u64, out: &mut Vec<u8>) {
        self.write(LAST, position, out);
    }

    fn write(&mut self, kind: u8, position: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(kind);
        out.extend_from_slice(&position.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        // Never more than MAX_SEGMENTS.
        out.push(self.lacing.len() as u8);
        out.append(&mut self.lacing);
        out.append(&mut self.body);
        let checksum = checksum(&out[start..]).to_le_bytes();
        out[start + CHECKSUM_AT..][..checksum.len()].copy_from_slice(&checksum);
        self.number = self.number.wrapping_add(1);
        self.position = position;
    }
}

/// The checksum of a page whose own field for it is zero: CRC-32 with the polynomial 0x04c11db7, from zero, unreflected.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc: u32, byte| crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}
