use std::sync::{Mutex, MutexGuard, PoisonError};

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
