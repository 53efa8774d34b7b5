/// The first wait, short because a relay that restarts is back at once.
const FIRST_MILLIS: f64 = 250.0;

/// The longest wait: a relay that comes back is heard again within five seconds.
const LONGEST_MILLIS: f64 = 3_000.0;

/// How long to wait before attempt number `tries` (from 0) after a break.
///
/// `jitter` is in 0..1 and spreads listeners over half of the wait, so that they do not all come back in one moment.
pub fn backoff_millis(tries: u32, jitter: f64) -> u32 {
    let whole = (FIRST_MILLIS * f64::from(1_u32 << tries.min(16))).min(LONGEST_MILLIS);
    (whole * (0.5 + 0.5 * jitter.clamp(0.0, 1.0))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stop_growing() {
        let waits: Vec<u32> = (0..8).map(|tries| backoff_millis(tries, 1.0)).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 3000, 3000, 3000, 3000]);
        assert_eq!(backoff_millis(u32::MAX, 1.0), 3000);
    }

    #[test]
    fn jitter_takes_away_up_to_half() {
        assert_eq!(backoff_millis(2, 0.0), 500);
        assert_eq!(backoff_millis(2, 0.5), 750);
        assert_eq!(backoff_millis(2, f64::NAN), 0, "a broken jitter waits not at all, and does not panic");
    }
}
