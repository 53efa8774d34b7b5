//! `cargo xtask dist`: what is handed to those who build nothing themselves.

mod debian;
mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::build;
use crate::progress::{say, step};
use crate::tools::Cache;
use crate::{packages, page, workspace};

use files::{gather, list, output, write};

/// What is asked for besides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The relay to pack; else one is built.
    pub(crate) relay: Option<PathBuf>,
    /// The folder to make; else `target/dist`.
    pub(crate) into: Option<PathBuf>,
}

/// The shells whose completions are made, and how each calls the file.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "soundport.bash"), ("zsh", "_soundport"), ("fish", "soundport.fish")];

const MANUAL: &str = "soundport.1";

/// Builds the page and the relay, and packs them.
///
/// # Errors
/// When a tool cannot be had, a build fails, or the folder cannot be made.
pub(crate) fn dist(wanted: &Wanted) -> Result<()> {
    let cache = Cache::open()?;
    packages::ensure(packages::DIST)?;
    page::build(&cache)?;
    let relay = match &wanted.relay {
        Some(relay) => relay.clone(),
        None => {
            packages::ensure(packages::BUILD)?;
            build::packed()?
        }
    };
    let top = workspace::top();
    let folder = wanted.into.clone().unwrap_or_else(|| top.join("target/dist"));
    let made = step("Packing", || pack(&relay, &folder))?;
    say(&format!("\nIn {}:", folder.display()));
    for (name, bytes) in made {
        say(&format!("  {:>9}  {name}", in_bytes(bytes)));
    }
    Ok(())
}

/// Makes the folder, and lists what is in it.
fn pack(relay: &Path, folder: &Path) -> Result<Vec<(String, u64)>> {
    let top = workspace::top();
    empty(folder)?;
    let program = folder.join("soundport");
    fs::copy(relay, &program).with_context(|| format!("{} cannot be copied", relay.display()))?;
    let version = output(Command::new(&program).arg("--version"))?;
    let version = Version::read(&String::from_utf8_lossy(&version))?;

    for (shell, name) in COMPLETIONS {
        let script = output(Command::new(&program).args(["completions", shell]))?;
        write(&folder.join("completions").join(name), &script)?;
    }
    write(&folder.join(MANUAL), &output(Command::new(&program).arg("manual"))?)?;
    let page = format!("soundport-page-{}.tar.gz", version.number);
    gather(&top.join("dist"), &folder.join(page), version.seconds)?;
    debian::make(&top, folder, &version)?;

    let names = list(folder)?;
    let sums = output(Command::new("sha256sum").args(&names).current_dir(folder))?;
    write(&folder.join("SHA256SUMS"), &sums)?;
    let sized = list(folder)?.into_iter().map(|name| {
        let bytes = fs::metadata(folder.join(&name))?.len();
        Ok((name, bytes))
    });
    sized.collect()
}

/// A folder of an earlier time is made anew, and no other is touched.
fn empty(folder: &Path) -> Result<()> {
    let is_ours =
        !folder.exists() || folder.join("SHA256SUMS").is_file() || fs::read_dir(folder)?.next().is_none();
    ensure!(is_ours, "{} holds something else; name an empty folder", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

/// What the relay says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    number: String,
    /// When its commit was made, in seconds since 1970: what is packed twice is the same twice.
    seconds: u64,
}

impl Version {
    /// Of `soundport 0.1.0 (1a2b3c4d5e 2026-11-28, release, x86_64-linux)`.
    fn read(line: &str) -> Result<Self> {
        let mut words = line.split([' ', '(', ',', ')']).map(str::trim);
        let (Some("soundport"), Some(number)) = (words.next(), words.next()) else {
            bail!("The relay says {line:?}, which is no version");
        };
        let seconds = words.find_map(seconds_since_1970).unwrap_or_default();
        Ok(Self { number: number.to_owned(), seconds })
    }
}

/// Of a date such as `2026-11-28`.
fn seconds_since_1970(date: &str) -> Option<u64> {
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    // Years begin in March, so that the day that is sometimes there is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    // Of 1970-01-01, counted alike.
    days.checked_sub(719_469).map(|days| days * 86_400)
}

fn in_bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_with_and_without_a_commit() {
        let read = |line| Version::read(line).expect("it is one");
        let version = read("soundport 0.1.0 (1a2b3c4d5e 2026-11-28, release, x86_64-linux)\n");
        assert_eq!(version, Version { number: "0.1.0".into(), seconds: 1_795_824_000 });
        let version = read("soundport 0.1.0 (release, x86_64-linux)\n");
        assert_eq!(version, Version { number: "0.1.0".into(), seconds: 0 });
        assert!(Version::read("bash 5").is_err());
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        for (date, days) in
            [("1970-01-01", 0), ("2000-02-29", 11_016), ("2000-03-01", 11_017), ("2026-11-28", 20_785)]
        {
            assert_eq!(seconds_since_1970(date), Some(days * 86_400), "{date}");
        }
        assert_eq!(seconds_since_1970("release"), None);
        assert_eq!(seconds_since_1970("x86-64"), None);
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("soundport-xtask-{}-dist", std::process::id()));
        write(&folder.join("thesis.txt"), b"years of work").expect("the folder is ours");
        let error = empty(&folder).expect_err("it holds something").to_string();
        assert!(error.contains("something else") && folder.join("thesis.txt").is_file(), "{error}");
        write(&folder.join("SHA256SUMS"), b"").expect("the folder is ours");
        empty(&folder).expect("it was made by this program");
        assert_eq!(list(&folder).expect("it is there"), Vec::<String>::new());
        fs::remove_dir_all(folder).expect("the folder is ours");
    }

    #[test]
    fn sizes_are_as_people_say_them() {
        assert_eq!([in_bytes(980), in_bytes(81_300), in_bytes(14_560_000)], ["980 B", "81 kB", "14.56 MB"]);
    }
}
