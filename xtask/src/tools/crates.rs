//! Tools that are crates: Trunk and wasm-bindgen.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Cache, Tool, remove};
use crate::cargo::cargo;
use crate::progress::run_quietly;
use crate::workspace::locked_version;

/// 0.22 wants a newer Rust than this project does.
const TRUNK: &str = "0.21.14";

/// The newest wasm-bindgen-cli that installs from its own lock file; the page must lock the same wasm-bindgen.
const WASM_BINDGEN: &str = "0.2.129";

/// The folder that holds `trunk`.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn trunk(cache: &Cache) -> Result<PathBuf> {
    let tool = Tool {
        name: "trunk",
        version: TRUNK,
        proof: "bin/trunk",
        title: "Trunk",
        duration: "about 2 minutes on two cores",
    };
    let slim = ["--no-default-features", "--features", "rustls"];
    let folder = cache.install(&tool, |folder| install(cache, "trunk", TRUNK, &slim, folder))?;
    Ok(folder.join("bin"))
}

/// The folder that holds `wasm-bindgen` and `wasm-bindgen-test-runner`.
///
/// # Errors
/// When `Cargo.lock` holds another version than this, or it cannot be installed.
pub(crate) fn wasm_bindgen(cache: &Cache) -> Result<PathBuf> {
    let locked = locked_version("wasm-bindgen")?;
    if locked != WASM_BINDGEN {
        bail!(
            "Cargo.lock holds wasm-bindgen {locked}, but the tool that goes with it is pinned to {WASM_BINDGEN}: change \
             the one in web/Cargo.toml or the other in xtask/src/tools/crates.rs, so that both are the same"
        );
    }
    let tool = Tool {
        name: "wasm-bindgen",
        version: WASM_BINDGEN,
        proof: "bin/wasm-bindgen-test-runner",
        title: "wasm-bindgen",
        duration: "about a minute on two cores",
    };
    let folder =
        cache.install(&tool, |folder| install(cache, "wasm-bindgen-cli", WASM_BINDGEN, &[], folder))?;
    Ok(folder.join("bin"))
}

/// Compiles for a short build, not for a fast tool: as they are shipped, these take three times as long to build.
fn install(cache: &Cache, name: &str, version: &str, options: &[&str], folder: &Path) -> Result<()> {
    let target = cache.scratch("cargo")?;
    let mut command = cargo(&["install", name, "--version", version, "--locked", "--force"]);
    command.args(options).arg("--root").arg(folder).current_dir(folder);
    command.env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0");
    for (option, value) in [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("OPT_LEVEL", "0"), ("DEBUG", "0")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{option}"), value);
    }
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(flags);
    }
    let done = run_quietly(&mut command);
    remove(&target)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_loop_is_told_with_the_pinned_tools() {
        let told = include_str!("../../../CONTRIBUTING.md");
        let line = told.lines().find(|line| line.contains("trunk serve --open")).expect("it is told of");
        for tool in [format!("/trunk-{TRUNK}/bin:"), format!("/wasm-bindgen-{WASM_BINDGEN}/bin:")] {
            assert!(line.contains(&tool), "CONTRIBUTING.md says {line}");
        }
    }
}
