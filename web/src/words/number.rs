//! Numbers in words. The standard library's way to write floats weighs as much as a third of the page's own code: integers do.

/// A number with one decimal, such as `1.2`.
fn tenths(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    let sign = if tenths < 0 { "−" } else { "" };
    format!("{sign}{}.{}", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10)
}

/// A share of 0..1 in percent, such as `1.2 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", tenths(share * 100.0))
}

/// Milliseconds, with a decimal where it matters.
pub fn millis(millis: f64) -> String {
    if millis < 10.0 { format!("{} ms", tenths(millis)) } else { format!("{} ms", millis.round() as i64) }
}

/// Bits a second in kilobits.
pub fn kilobits(bits_per_sec: f64) -> String {
    format!("{} kb/s", (bits_per_sec / 1_000.0).round() as i64)
}

/// A rate in kilohertz with as many decimals as it needs, such as `44.1 kHz`.
pub fn kilohertz(rate: u32) -> String {
    let decimals = format!("{:03}", rate % 1_000);
    match decimals.trim_end_matches('0') {
        "" => format!("{} kHz", rate / 1_000),
        decimals => format!("{}.{decimals} kHz", rate / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_figures_keep_a_decimal() {
        assert_eq!(millis(0.44), "0.4 ms");
        assert_eq!(millis(9.96), "10.0 ms");
        assert_eq!(millis(41.6), "42 ms");
        assert_eq!(percent(0.0123), "1.2 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(tenths(-0.26), "−0.3");
        assert_eq!(tenths(f64::NAN), "0.0");
        assert_eq!(kilobits(127_800.0), "128 kb/s");
    }

    #[test]
    fn rates_read_well() {
        assert_eq!(
            [8_000, 22_050, 44_100, 48_000].map(kilohertz),
            ["8 kHz", "22.05 kHz", "44.1 kHz", "48 kHz"]
        );
    }
}
