use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const PAUSE: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it answers with a value, and returns the value.
///
/// # Errors
/// When `limit` has passed: the text names `what` was waited for, and the probe's last error if it had one.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = probe();
        match answer {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() >= deadline => bail!("waited {limit:?} in vain for {what}"),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("waited {limit:?} in vain for {what}"));
            }
            Ok(None) | Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Asks `probe` again and again until it answers true, and returns how long that took.
///
/// # Errors
/// As [`wait_for`].
pub fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let start = Instant::now();
    wait_for(what, limit, || Ok(probe()?.then_some(())))?;
    Ok(start.elapsed())
}
