//! Embeds the page: every file of `dist/`, as it is and compressed, becomes a row of a table in `page.rs`. And the version,
//! with the commit.
//!
//! Without `dist/` a page stands in that says how to build the real one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const STAND_IN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Soundport</title>\
    <p>This relay was built without its page. Build both with <code>cargo xtask build</code>.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let dist = manifest.join("../../dist");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rustc-env=SOUNDPORT_VERSION={}", version(&manifest.join("../.."))?);

    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &dist, &mut files)?;
    } else {
        files.push(("index.html".to_owned(), STAND_IN.as_bytes().to_vec()));
    }
    files.sort();

    let mut table = String::from("pub(super) static FILES: &[File] = &[\n");
    for (index, (path, bytes)) in files.iter().enumerate() {
        let file = |ending: &str| out.join(format!("{index}.{ending}"));
        // To compress takes long, and every commit runs this anew.
        let is_made = fs::read(file("raw")).is_ok_and(|made| made == *bytes);
        if !(is_made && file("br").is_file() && file("gz").is_file()) {
            fs::write(file("br"), brotli(bytes)?)?;
            fs::write(file("gz"), gzip(bytes)?)?;
            fs::write(file("raw"), bytes)?;
        }
        let include =
            |ending: &str| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{index}.{ending}\"))");
        table += &format!(
            "    File {{ path: {path:?}, raw: {}, brotli: {}, gzip: {}, tag: \"\\\"{:016x}\\\"\" }},\n",
            include("raw"),
            include("br"),
            include("gz"),
            fingerprint(bytes),
        );
    }
    table += "];\n";
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// As `0.1.0 (1a2b3c4d5e 2026-11-28, release, x86_64-linux)`, without a commit where there is no repository.
/// `SOUNDPORT_COMMIT` names another.
fn version(top: &Path) -> Result<String, std::env::VarError> {
    println!("cargo::rerun-if-env-changed=SOUNDPORT_COMMIT");
    let number = std::env::var("CARGO_PKG_VERSION")?;
    let (profile, architecture, system) = (
        std::env::var("PROFILE")?,
        std::env::var("CARGO_CFG_TARGET_ARCH")?,
        std::env::var("CARGO_CFG_TARGET_OS")?,
    );
    let named = std::env::var("SOUNDPORT_COMMIT").ok().filter(|named| !named.is_empty());
    let commit = named.or_else(|| commit(top)).map(|commit| format!("{commit}, ")).unwrap_or_default();
    Ok(format!("{number} ({commit}{profile}, {architecture}-{system})"))
}

/// The commit that is checked out, and its date.
fn commit(top: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(top).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // A source archive may lie in a repository of somebody else's.
    let repository = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    if repository != fs::canonicalize(top).ok()? {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        let path = top.join(git(&["rev-parse", "--git-path", file])?);
        if path.is_file() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["log", "-1", "--abbrev=10", "--format=%h %cs"]).filter(|commit| !commit.is_empty())
}

fn collect(
    root: &Path,
    folder: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), Box<dyn std::error::Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push((name, fs::read(&path)?));
        }
    }
    Ok(())
}

fn brotli(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut compressed, &params)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// FNV-1a: an ETag needs no more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
