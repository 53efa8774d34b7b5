//! The repository's own rules, as tests: each says what to do when it is broken.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Folders and files that are made, not written.
const NOT_OURS: [&str; 6] = [".git", "target", "dist", "certs", "node_modules", "Cargo.lock"];

/// More lines than this in one Rust file is more than one noun.
const MOST_LINES: usize = 600;

/// Rust files over this are to be rare.
const MANY_LINES: usize = 400;

#[test]
fn only_the_connection_names_the_webrtc_engine() {
    let offenders = names(&["relay/core/src", "relay/server/src"], &["Rtc"], |file| {
        file.ends_with("fanout/connection.rs")
    });
    assert_none(
        &offenders,
        "Go through `Connection`: it alone owns an `Rtc`, and leaves it drained after every change.",
    );
}

#[test]
fn only_the_rtc_module_touches_browser_media() {
    let types =
        ["RtcPeerConnection", "RtcRtpReceiver", "MediaStream", "AudioContext", "GainNode", "AnalyserNode"];
    let offenders = names(&["web/src"], &types, |file| {
        file.starts_with("web/src/rtc") || file.ends_with("web/src/rtc.rs")
    });
    assert_none(&offenders, "Browser media belong under web/src/rtc.");
}

#[test]
fn nothing_is_left_undone() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!"),
        concat!("dbg", "!"),
        concat!("unimplemented", "!"),
    ];
    assert_none(&words(&["."], &marks, |_| false), "Do it, or write an issue.");
    assert_none(&texts(&[concat!("#[ig", "nore")]), "Make the test pass, or let it assert what is so today.");
}

#[test]
fn files_are_about_one_thing() {
    let lengths: Vec<(PathBuf, usize)> = files(&["."])
        .into_iter()
        .filter(|(file, _)| file.extension() == Some(OsStr::new("rs")))
        .map(|(file, text)| (file, text.lines().count()))
        .collect();
    let longer = |limit: usize| -> Vec<String> {
        let over = lengths.iter().filter(|(_, lines)| *lines > limit);
        over.map(|(file, lines)| format!("{}: {lines} lines", file.display())).collect()
    };
    assert_none(&longer(MOST_LINES), "Split by noun.");
    let long = longer(MANY_LINES);
    assert!(
        long.len() * 10 <= lengths.len(),
        "{} of {} files are over {MANY_LINES} lines; one in ten is enough:\n{}",
        long.len(),
        lengths.len(),
        long.join("\n")
    );
}

#[test]
fn no_machine_is_named() {
    let places = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
    assert_none(&texts(&places), "A path of one machine is of no use on another.");
    let hosts = [
        concat!("registry.", "npmjs"),
        concat!("pypi", ".org"),
        concat!("pythonhosted", ".org"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("deb.", "debian.org"),
        concat!("replace", "-with"),
    ];
    assert_none(&texts(&hosts), "Where packages come from is for the machine's own settings to say.");
}

#[test]
fn every_package_takes_the_workspaces_lints() {
    let offenders: Vec<String> = manifests()
        .into_iter()
        .filter(|(_, text)| text.contains("[package]") && !text.contains("[lints]\nworkspace = true"))
        .map(|(file, _)| file.display().to_string())
        .collect();
    assert_none(&offenders, "Add `[lints]` with `workspace = true`.");
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons =
        fs::read_to_string(top().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is part of the repository");
    let mut offenders = Vec::new();
    for (file, text) in manifests() {
        for name in dependencies(&text) {
            if !name.starts_with("soundport") && !reasons.contains(&format!("`{name}`")) {
                offenders.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert_none(&offenders, "Say in the table of ARCHITECTURE.md what the crate is for.");
}

#[test]
fn every_link_leads_somewhere() {
    let pages: Vec<(PathBuf, String)> = pages();
    let mut offenders = Vec::new();
    let mut count = 0;
    for (file, text) in &pages {
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        for (index, target) in links(text).filter(|(_, target)| !target.contains("://")) {
            count += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { file.clone() } else { plain(&folder.join(path)) };
            let has_anchor = anchor.is_empty()
                || pages
                    .iter()
                    .any(|(page, text)| *page == path && anchors(text).any(|known| known == anchor));
            if !top().join(&path).exists() || !has_anchor {
                offenders.push(format!("{}:{index}: {target}", file.display()));
            }
        }
    }
    assert!(count > 20, "only {count} links were found");
    assert_none(&offenders, "The file, or the heading in it, is not there.");
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(top().join("docs/README.md")).expect("docs has an index");
    let missing: Vec<String> = pages()
        .into_iter()
        .filter_map(|(file, _)| Some(file.strip_prefix("docs").ok()?.display().to_string()))
        .filter(|name| name != "README.md" && !index.contains(&format!("]({name})")))
        .collect();
    assert_none(&missing, "Name it in docs/README.md.");
}

#[test]
fn trunk_uses_the_pinned_tools_and_may_download() {
    let Ok(trunk) = fs::read_to_string(top().join("Trunk.toml")) else { return };
    assert!(
        !trunk.contains("offline = true"),
        "Without the network a fresh clone cannot be built: leave `offline` out."
    );
    let lock = fs::read_to_string(top().join("Cargo.lock")).expect("the lock file is part of the repository");
    let pinned = trunk.lines().find_map(|line| line.strip_prefix("wasm_bindgen = "));
    if let Some(version) = pinned {
        let locked = format!("name = \"wasm-bindgen\"\nversion = {version}\n");
        assert!(lock.contains(&locked), "Trunk.toml wants wasm-bindgen {version}, Cargo.lock holds another.");
    }
}

#[test]
fn the_page_asks_for_the_parts_of_its_own_version() {
    let read = |name: &str| fs::read_to_string(top().join(name)).expect("it is part of the repository");
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let wanted = format!("?{}", version.expect("the workspace has a version"));
    let page = read("web/index.html");
    let asked = page.split("lazy/").skip(1).filter_map(|part| part.split('"').next());
    let offenders: Vec<String> =
        asked.filter(|part| part.contains('.') && !part.ends_with(&wanted)).map(str::to_owned).collect();
    assert_none(&offenders, &format!("A browser may have kept another version's: ask for it with {wanted}."));
}

/// Lines of code that hold one of these names.
fn names(folders: &[&str], names: &[&str], allowed: impl Fn(&Path) -> bool) -> Vec<String> {
    lines(folders, allowed, |line| {
        !line.trim_start().starts_with("//") && names.iter().any(|name| holds_word(line, name))
    })
}

/// Lines that hold one of these words, as a whole word.
fn words(folders: &[&str], words: &[&str], allowed: impl Fn(&Path) -> bool) -> Vec<String> {
    lines(folders, allowed, |line| words.iter().any(|word| holds_word(line, word)))
}

/// Lines that hold one of these texts.
fn texts(texts: &[&str]) -> Vec<String> {
    lines(&["."], |_| false, |line| texts.iter().any(|text| line.contains(text)))
}

fn lines(folders: &[&str], allowed: impl Fn(&Path) -> bool, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files(folders).into_iter().filter(|(file, _)| !allowed(file)) {
        for (index, line) in text.lines().enumerate().filter(|(_, line)| wanted(line)) {
            found.push(format!("{}:{}: {}", file.display(), index + 1, line.trim()));
        }
    }
    found
}

fn holds_word(line: &str, word: &str) -> bool {
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(part_of_a_name) && !line[start + word.len()..].starts_with(part_of_a_name)
    })
}

/// All Markdown.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = files(&["."]);
    pages.retain(|(file, _)| file.extension() == Some(OsStr::new("md")));
    pages
}

/// Where links lead, `[text](target)`, with their lines.
fn links(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let of_line = |line| str::split(line, "](").skip(1).filter_map(|rest| rest.split(')').next());
    page.lines()
        .enumerate()
        .flat_map(move |(index, line)| of_line(line).map(move |target| (index + 1, target)))
}

/// By what headings are linked to: in small letters, without punctuation, `-` for spaces.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(move |line| slug(line.trim_start_matches('#')))
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

fn manifests() -> Vec<(PathBuf, String)> {
    let mut manifests = files(&["."]);
    manifests.retain(|(file, _)| file.file_name() == Some(OsStr::new("Cargo.toml")));
    manifests
}

/// The crates that a manifest names, in `[dependencies]` and its like or as `[dependencies.name]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut listing = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            listing = section.ends_with("dependencies");
            names.extend(section.split_once("dependencies.").map(|(_, name)| name));
        } else if listing && line.starts_with(|c: char| c.is_alphabetic()) {
            names.extend(line.split(['.', ' ', '=']).next());
        }
    }
    names
}

#[test]
fn dependencies_are_found_in_all_their_forms() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = \"1\"\n# d\n\
        [dependencies.e]\nversion = \"1\"\nfeatures = [\n    \"f\",\n]\n[target.'cfg(unix)'.dev-dependencies]\ng-h = \"1\"\n";
    assert_eq!(dependencies(manifest), ["b", "c", "e", "g-h"]);
}

/// The text files below these folders, named from the top.
fn files(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&top().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if NOT_OURS.iter().any(|name| path.file_name() == Some(OsStr::new(name))) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(top()).unwrap_or(&path).components().collect();
            found.push((name, text));
        }
    }
}

fn top() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

fn assert_none(offenders: &[String], advice: &str) {
    assert!(offenders.is_empty(), "{advice}\n{}", offenders.join("\n"));
}
