//! Tools that are npm packages: wasm-opt, and of the browser tests the accessibility checks and a desktop's page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Cache, Tool, find_program, path_with};
use crate::progress::{run_quietly, say};

/// What Trunk 0.21 would download by itself.
const BINARYEN: &str = "123.0.0";

const AXE_CORE: &str = "4.10.3";

const NOVNC: &str = "1.7.0";

/// The folder that holds a `wasm-opt` that runs, or `None` where npm cannot give one.
///
/// # Errors
/// When the cache folder cannot be written.
pub(crate) fn wasm_opt(cache: &Cache) -> Result<Option<PathBuf>> {
    let tool = Tool {
        name: "binaryen",
        version: BINARYEN,
        proof: "node_modules/.bin/wasm-opt",
        title: "wasm-opt (binaryen)",
        duration: "a few seconds",
    };
    if find_program("npm").is_none() && !cache.has(&tool) {
        return Ok(None);
    }
    let installed = cache.install(&tool, |folder| {
        install("binaryen", BINARYEN, folder)?;
        run_quietly(Command::new(folder.join(tool.proof)).arg("--version"))
    });
    match installed {
        Ok(folder) => Ok(Some(folder.join("node_modules/.bin"))),
        Err(error) => {
            say(&format!("{error:#}. Trunk will look for it elsewhere."));
            Ok(None)
        }
    }
}

/// The file `axe.min.js`.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn axe_core(cache: &Cache) -> Result<PathBuf> {
    let tool = Tool {
        name: "axe-core",
        version: AXE_CORE,
        proof: "node_modules/axe-core/axe.min.js",
        title: "axe-core",
        duration: "a few seconds",
    };
    let folder = cache.install(&tool, |folder| install("axe-core", AXE_CORE, folder))?;
    Ok(folder.join(tool.proof))
}

/// The folder of noVNC's package.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn novnc(cache: &Cache) -> Result<PathBuf> {
    let tool = Tool {
        name: "novnc",
        version: NOVNC,
        proof: "node_modules/@novnc/novnc/core/rfb.js",
        title: "noVNC",
        duration: "a few seconds",
    };
    let folder = cache.install(&tool, |folder| install("@novnc/novnc", NOVNC, folder))?;
    Ok(folder.join("node_modules/@novnc/novnc"))
}

/// A folder with a `wasm-opt` that hands every module on as it is: Trunk asks for the program, and cannot be told to do
/// without.
///
/// # Errors
/// When the cache folder cannot be written.
pub(crate) fn no_wasm_opt(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.scratch("no-wasm-opt")?;
    let file = folder.join("wasm-opt");
    fs::write(&file, NO_WASM_OPT).with_context(|| format!("{} cannot be written", file.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

const NO_WASM_OPT: &str = r#"#!/bin/sh
for arg in "$@"; do
    case $arg in
        --version) echo "wasm-opt version 123 (none)"; exit ;;
        --output=*) to=${arg#--output=} ;;
        -*) ;;
        *) from=$arg ;;
    esac
done
cp "$from" "$to"
"#;

fn install(name: &str, version: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"]);
    command.arg(folder).arg(format!("{name}@{version}")).current_dir(folder).env("PATH", path_with(&[])?);
    run_quietly(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn without_wasm_opt_a_module_is_handed_on() {
        let folder = std::env::temp_dir().join(format!("soundport-xtask-{}-wasm-opt", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder is ours");
        let script = |args: &[&str]| {
            let output = Command::new("sh").args(["-c", NO_WASM_OPT, "wasm-opt"]).args(args).output();
            String::from_utf8(output.expect("sh is there").stdout).expect("it speaks plain text")
        };
        assert_eq!(script(&["--version"]).split(' ').nth(2), Some("123"), "as Trunk reads it");

        let [from, to] = ["in put.wasm", "out put.wasm"].map(|name| folder.join(name).display().to_string());
        fs::write(&from, "module").expect("the temporary folder is ours");
        script(&[&format!("--output={to}"), "-Oz", &from, "--enable-reference-types"]);
        assert_eq!(fs::read_to_string(to).expect("it was written"), "module");
    }
}
