//! G.711 (ITU-T, 11/1988): eight bits on a logarithmic scale. Levels are linear, full scale is 1.0.

/// The level of a µ-law byte (table 2a).
pub(crate) fn mu_law(byte: u8) -> f32 {
    let bits = !byte;
    let (exponent, mantissa) = (bits >> 4 & 7, i32::from(bits & 15));
    // 33 is the bias that makes every segment twice as wide as the one before.
    let magnitude = ((2 * mantissa + 33) << exponent) - 33;
    signed(magnitude, bits & 0x80 != 0) / 8192.0
}

/// The level of an A-law byte (table 1a).
pub(crate) fn a_law(byte: u8) -> f32 {
    let bits = byte ^ 0x55;
    let (exponent, mantissa) = (bits >> 4 & 7, i32::from(bits & 15));
    let magnitude = match exponent {
        0 => 2 * mantissa + 1,
        _ => (2 * mantissa + 33) << (exponent - 1),
    };
    signed(magnitude, bits & 0x80 == 0) / 4096.0
}

fn signed(magnitude: i32, negative: bool) -> f32 {
    // At most 13 bits.
    (if negative { -magnitude } else { magnitude }) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_tables() {
        // Decision values and outputs of ITU-T G.711, tables 1a to 2b.
        assert_eq!(mu_law(0xff), 0.0);
        assert_eq!(mu_law(0x80), 8031.0 / 8192.0);
        assert_eq!(mu_law(0x00), -8031.0 / 8192.0);
        assert_eq!(mu_law(0xef), 33.0 / 8192.0);
        assert_eq!(a_law(0xd5), 1.0 / 4096.0);
        assert_eq!(a_law(0x55), -1.0 / 4096.0);
        assert_eq!(a_law(0xaa), 4032.0 / 4096.0);
        assert_eq!(a_law(0x2a), -4032.0 / 4096.0);
    }
}
