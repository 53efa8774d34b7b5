//! The page: built by Trunk into `dist/`, and not again while nothing it is made of has changed.

mod panics;
mod short;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::forget_this_package;
use crate::progress::{run, run_heard, say, step};
use crate::tools::{Cache, crates, npm, path_with, rustup};
use crate::workspace;

/// What the page is made of, below the top folder.
const SOURCES: [&str; 7] =
    ["web", "relay/api", "assets", ".cargo/config.toml", "Trunk.toml", "Cargo.toml", "Cargo.lock"];

/// Builds the page, if it is not built.
///
/// # Errors
/// When a tool cannot be had, or the build fails.
pub(crate) fn build(cache: &Cache) -> Result<()> {
    rustup::ensure_wasm()?;
    let tools = [crates::trunk(cache)?, crates::wasm_bindgen(cache)?];
    let wasm_opt = npm::wasm_opt(cache)?;

    let top = workspace::top();
    let record = Record::of(&top, &tools, wasm_opt.as_deref())?;
    if record.is_current() {
        return Ok(());
    }
    step("Building the page (about 2 minutes the first time)", || match &wasm_opt {
        Some(folder) => build_with(cache, &tools, &folder.join("wasm-opt")),
        None => build_without_npm(cache, &tools),
    })?;
    short::shorten(&top.join("dist"))?;
    record.write()
}

/// Trunk would hand the program to wasm-opt as the compiler made it: here it is made ready for that first.
fn build_with(cache: &Cache, tools: &[PathBuf], wasm_opt: &Path) -> Result<()> {
    run(&mut trunk(&[tools, &[npm::no_wasm_opt(cache)?]].concat())?)?;
    let top = workspace::top();
    let file = short::only(&top.join("dist"), "wasm")?;
    let wasm =
        panics::without_words(&fs::read(&file)?).context("the page's program is not as it should be")?;
    fs::write(&file, wasm)?;
    let page = fs::read_to_string(top.join("web/index.html"))?;
    let level = attribute(&page, "data-wasm-opt").context("web/index.html names no level of wasm-opt")?;
    let more = attribute(&page, "data-wasm-opt-params").unwrap_or_default();
    let mut command = Command::new(wasm_opt);
    run(command.arg(format!("-O{level}")).args(more.split_whitespace()).arg(&file).arg("-o").arg(&file))
}

/// What stands between the quotes after `name=`.
fn attribute<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = page.split_once(&format!("{name}=\""))?;
    after.split_once('"').map(|(value, _)| value)
}

/// Without npm Trunk downloads wasm-opt by itself; where that fails too, the page is left as the compiler made it.
fn build_without_npm(cache: &Cache, tools: &[PathBuf]) -> Result<()> {
    let (succeeded, output) = run_heard(&mut trunk(tools)?)?;
    if succeeded {
        return Ok(());
    }
    if !output.contains("wasm-opt") {
        bail!("`trunk build` failed; its output stands above");
    }
    say(
        "wasm-opt can be had neither from npm nor by Trunk: the page is built without, and is a third larger.",
    );
    run(&mut trunk(&[tools, &[npm::no_wasm_opt(cache)?]].concat())?)
}

fn trunk(folders: &[PathBuf]) -> Result<Command> {
    let mut command = Command::new("trunk");
    command
        .args(["build", "--release", "--locked"])
        .current_dir(workspace::top())
        .env("PATH", path_with(folders)?);
    forget_this_package(&mut command);
    // An error's trace through Trunk's own functions helps nobody.
    command.env_remove("RUST_BACKTRACE");
    // Trunk takes NO_COLOR for a yes or no, and refuses the customary 1.
    if env::var_os("NO_COLOR").is_some() {
        command.env("NO_COLOR", "true");
    }
    Ok(command)
}

/// What the page was built from, and what came out: both are compared, since `trunk serve` writes to `dist/` as well.
struct Record {
    top: PathBuf,
    from: u64,
}

impl Record {
    fn of(top: &Path, tools: &[PathBuf], wasm_opt: Option<&Path>) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (tools, wasm_opt).hash(&mut hasher);
        for source in SOURCES {
            hash_all(&top.join(source), &mut hasher).with_context(|| format!("{source} cannot be read"))?;
        }
        Ok(Self { top: top.to_path_buf(), from: hasher.finish() })
    }

    fn is_current(&self) -> bool {
        self.top.join("dist/index.html").is_file()
            && fs::read_to_string(self.file()).is_ok_and(|text| self.text().is_ok_and(|now| now == text))
    }

    fn write(&self) -> Result<()> {
        let file = self.file();
        fs::create_dir_all(file.parent().context("a record lies in a folder")?)
            .and_then(|()| fs::write(&file, self.text()?))
            .with_context(|| format!("{} cannot be written", file.display()))
    }

    fn file(&self) -> PathBuf {
        self.top.join("target/xtask/page.txt")
    }

    fn text(&self) -> io::Result<String> {
        let mut made = DefaultHasher::new();
        hash_all(&self.top.join("dist"), &mut made)?;
        Ok(format!("{:016x} {:016x}\n", self.from, made.finish()))
    }
}

/// Hashes names and contents, folders in the order of their names. What is not there counts as that.
fn hash_all(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    if path.is_dir() {
        let entries = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| (entry.file_name(), entry.path())))
            .collect::<io::Result<BTreeMap<_, _>>>()?;
        for (name, path) in entries {
            name.hash(hasher);
            hash_all(&path, hasher)?;
        }
        return Ok(());
    }
    match fs::read(path) {
        Ok(content) => content.hash(hasher),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0_u8.hash(hasher),
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_current_until_its_sources_or_the_page_change() {
        let top = env::temp_dir().join(format!("soundport-xtask-{}-page", std::process::id()));
        let write = |name: &str, text: &str| {
            let file = top.join(name);
            fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the folder is ours");
            fs::write(file, text).expect("the folder is ours");
        };
        write("web/src/main.rs", "one");
        write("dist/index.html", "page");
        let record = || Record::of(&top, &["trunk-1".into()], None).expect("all can be read");

        assert!(!record().is_current(), "never built");
        record().write().expect("the folder is ours");
        assert!(record().is_current());
        assert!(
            !Record::of(&top, &["trunk-2".into()], None).expect("all can be read").is_current(),
            "another Trunk"
        );

        write("dist/index.html", "page for development");
        assert!(!record().is_current(), "trunk serve wrote it");
        write("dist/index.html", "page");
        write("web/src/main.rs", "two");
        assert!(!record().is_current(), "a source changed");
        write("web/src/main.rs", "one");
        write("assets/icon.svg", "new");
        assert!(!record().is_current(), "a source came");
        fs::remove_dir_all(top.join("assets")).expect("the folder is ours");
        assert!(record().is_current());
        fs::remove_dir_all(top.join("dist")).expect("the folder is ours");
        assert!(!record().is_current(), "the page is gone");
    }
}
