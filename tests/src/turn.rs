use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use crate::report;

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test of this binary measures sound, and holds the turn until the guard is dropped.
///
/// Two cores carry a relay, an encoder and a browser: tests that listen would hear each other's load.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the tests may take minutes: `SOUNDPORT_LONG` is set, as `cargo xtask test --long` does.
pub fn long() -> bool {
    std::env::var_os("SOUNDPORT_LONG").is_some_and(|value| value != "0" && !value.is_empty())
}

/// Measures up to three times, until it succeeds: where others keep the processors busy, sound may stall through no fault of
/// the relay's.
///
/// # Errors
/// The last one, when it never succeeds.
pub fn best_of_three<T>(mut measure: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..2 {
        match measure() {
            Ok(value) => return Ok(value),
            Err(error) => report(&format!("once more, since {error:#}")),
        }
    }
    measure().context("as in the two tries before")
}
