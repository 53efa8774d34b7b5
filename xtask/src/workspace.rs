//! Where this clone lies, and what its `Cargo.lock` holds.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The top folder of this clone.
pub(crate) fn top() -> PathBuf {
    // Cargo names it at run time: two clones that share a target folder share this program too.
    let own =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// The version of a crate in this clone's `Cargo.lock`.
///
/// # Errors
/// When the file cannot be read, or holds no such crate.
pub(crate) fn locked_version(name: &str) -> Result<String> {
    let file = top().join("Cargo.lock");
    let lock = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    version_in(&lock, name).with_context(|| format!("{} holds no {name}", file.display()))
}

fn version_in(lock: &str, name: &str) -> Option<String> {
    let mut lines =
        lock.lines().skip_while(|line| line.strip_prefix("name = ") != Some(&format!("\"{name}\"")));
    let version = lines.nth(1)?.strip_prefix("version = ")?;
    Some(version.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.2.1\"\n\n\
        [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.129\"\nsource = \"registry\"\n";

    #[test]
    fn the_version_is_that_of_the_crate_with_the_whole_name() {
        assert_eq!(version_in(LOCK, "wasm-bindgen").as_deref(), Some("0.2.129"));
        assert_eq!(version_in(LOCK, "wasm-bindgen-macro").as_deref(), Some("0.2.1"));
        assert_eq!(version_in(LOCK, "wasm"), None);
    }
}
