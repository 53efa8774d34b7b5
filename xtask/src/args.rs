//! The command line: parsed by hand, so that `xtask` compiles in seconds.

use std::ffi::OsString;
use std::fmt;

use crate::dist::Wanted;

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Print this text.
    Help(&'static str),
    /// Install what is missing; build the page and the relay.
    Build,
    /// Build, then become the relay with its demo source.
    Run { relay_args: Vec<OsString> },
    /// Install what tests need; run them.
    Test { long: bool, filters: Vec<String> },
    /// Build for release and print the benchmarks' tables.
    Bench { names: Vec<String> },
    /// Build for those who build nothing themselves.
    Dist(Wanted),
}

/// One sentence about a command line that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, Usage> {
    let mut args = args.into_iter();
    let Some(command) = args.next() else { return Ok(Request::Help(HELP)) };
    let rest: Vec<OsString> = args.collect();
    let own_args = rest.iter().take_while(|arg| *arg != "--");
    let wants_help = own_args.clone().any(|arg| arg == "-h" || arg == "--help");

    match command.to_str() {
        Some("-h" | "--help") => Ok(Request::Help(HELP)),
        Some("help") => help_on(rest.first().and_then(|topic| topic.to_str())),
        Some(name) if wants_help => help_on(Some(name)),
        Some("build") => match rest.first() {
            Some(arg) => Err(unknown("build", arg)),
            None => Ok(Request::Build),
        },
        Some("run") => match own_args.clone().next() {
            Some(arg) => Err(Usage(format!(
                "`cargo xtask run` has no option {arg:?}; the relay's own options go after two dashes: \
                 `cargo xtask run -- {}`.",
                arg.display()
            ))),
            None => Ok(Request::Run { relay_args: rest.into_iter().skip(1).collect() }),
        },
        Some("test") => parse_test(rest),
        Some("bench") => Ok(Request::Bench { names: names("bench", rest)? }),
        Some("dist") => parse_dist(rest),
        Some(_) | None => Err(Usage(format!(
            "There is no command {command:?}; `cargo xtask --help` lists build, run, test, bench and dist."
        ))),
    }
}

fn parse_test(args: Vec<OsString>) -> Result<Request, Usage> {
    let (long, filters): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg == "--long");
    Ok(Request::Test { long: !long.is_empty(), filters: names("test", filters)? })
}

fn parse_dist(args: Vec<OsString>) -> Result<Request, Usage> {
    let mut wanted = Wanted::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (place, what) = match arg.to_str() {
            Some("--relay") => (&mut wanted.relay, "file"),
            Some("--into") => (&mut wanted.into, "folder"),
            Some(_) | None => return Err(unknown("dist", &arg)),
        };
        let path = args.next().ok_or_else(|| Usage(format!("{} needs a {what} after it.", arg.display())))?;
        *place = Some(path.into());
    }
    Ok(Request::Dist(wanted))
}

fn names(command: &str, args: Vec<OsString>) -> Result<Vec<String>, Usage> {
    args.into_iter()
        .map(|arg| match arg.into_string() {
            Ok(name) if !name.starts_with('-') => Ok(name),
            Ok(option) => Err(unknown(command, &option.into())),
            Err(raw) => Err(unknown(command, &raw)),
        })
        .collect()
}

fn unknown(command: &str, arg: &OsString) -> Usage {
    Usage(format!("`cargo xtask {command}` does not know {arg:?}; see `cargo xtask {command} --help`."))
}

fn help_on(topic: Option<&str>) -> Result<Request, Usage> {
    match topic {
        None => Ok(Request::Help(HELP)),
        Some("build") => Ok(Request::Help(BUILD_HELP)),
        Some("run") => Ok(Request::Help(RUN_HELP)),
        Some("test") => Ok(Request::Help(TEST_HELP)),
        Some("bench") => Ok(Request::Help(BENCH_HELP)),
        Some("dist") => Ok(Request::Help(DIST_HELP)),
        Some(other) => Err(Usage(format!(
            "There is no command {other:?}; `cargo xtask --help` lists build, run, test, bench and dist."
        ))),
    }
}

const HELP: &str = "\
Soundport's commands. Each installs what it needs, once per machine, and does nothing twice.

Usage: cargo xtask COMMAND

  run [-- ARGS]            build, then start the relay with its demo source
  build                    build the page and the relay
  test [--long] [FILTER…]  run all tests
  bench [NAME…]            run the benchmarks and print their tables
  dist                     build and pack what others install

`cargo xtask COMMAND --help` says more. Pinned tools are kept in ${XDG_CACHE_HOME:-~/.cache}/soundport, shared by all
clones; delete that folder to be rid of them.";

const BUILD_HELP: &str = "\
Builds the page into dist/ and the relay, which carries the page inside, into target/release/soundport.

Usage: cargo xtask build

From nothing but Rust and a C compiler it installs, pinned: the wasm32 target (rustup), Trunk, wasm-bindgen and, if
npm is there, wasm-opt. CMake is needed too: on Debian as root it is installed, elsewhere it is named. What has not
changed since the last time is not built again.";

const RUN_HELP: &str = "\
Builds as `cargo xtask build` does, then starts `soundport serve --demo`, which names both pages.

Usage: cargo xtask run [-- ARGS]

ARGS go to the relay: `cargo xtask run -- --https [::]:8443`. Ctrl-C ends it.";

const TEST_HELP: &str = "\
Installs what tests need and runs all of them; a failing step does not keep the later ones from running.

Usage: cargo xtask test [--long] [FILTER…]

  --long   also the tests that take minutes (soaks, many rounds)
  FILTER   run only these steps (fmt, clippy, web-clippy, docs, unit, browser, e2e), or else only the tests whose
           name holds one of these words

On Debian as root it installs Chromium, PulseAudio, GStreamer, ffmpeg and the like; elsewhere it names the packages.
A Python environment (aiortc) and axe-core go into the cache folder.";

const BENCH_HELP: &str = "\
Builds page and relay for release, runs the benchmarks and prints their tables.

Usage: cargo xtask bench [NAME…]

Without a NAME all of them run. Close other programs: the tables are about time.";

const DIST_HELP: &str = "\
Builds page and relay and packs what others install, into target/dist/: the relay, the page for another server, completions
for bash, zsh and fish, the manual page, a Debian package, and the checksums of all.

Usage: cargo xtask dist [--relay FILE] [--into FOLDER]

  --relay FILE    pack this relay instead of building one
  --into FOLDER   make this folder instead; it must be empty, or made by this command before

The relay is built as small as it gets without being slower, which takes two to three times as long as
`cargo xtask build`. tar, gzip, sha256sum and dpkg-deb are needed.";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn commands_are_understood() {
        assert_eq!(ask("build"), Ok(Request::Build));
        assert_eq!(ask("run"), Ok(Request::Run { relay_args: vec![] }));
        assert_eq!(
            ask("test --long loss echo"),
            Ok(Request::Test { long: true, filters: vec!["loss".into(), "echo".into()] })
        );
        assert_eq!(ask("dist"), Ok(Request::Dist(Wanted::default())));
        let wanted = Wanted { relay: Some("soundport".into()), into: Some("out".into()) };
        assert_eq!(ask("dist --relay soundport --into out"), Ok(Request::Dist(wanted)));
        assert_eq!(ask("bench delay"), Ok(Request::Bench { names: vec!["delay".into()] }));
    }

    #[test]
    fn the_relays_options_go_to_the_relay() {
        let relay_args = vec!["--https".into(), "[::]:8443".into(), "--help".into()];
        assert_eq!(ask("run -- --https [::]:8443 --help"), Ok(Request::Run { relay_args }));
        let Err(usage) = ask("run --https") else { panic!("an option of the relay needs the two dashes") };
        assert!(usage.to_string().contains("cargo xtask run -- --https"), "{usage}");
    }

    #[test]
    fn help_is_there_for_everything() {
        for line in ["", "-h", "--help", "help"] {
            assert_eq!(ask(line), Ok(Request::Help(HELP)), "{line:?}");
        }
        for (command, text) in [
            ("build", BUILD_HELP),
            ("run", RUN_HELP),
            ("test", TEST_HELP),
            ("bench", BENCH_HELP),
            ("dist", DIST_HELP),
        ] {
            for line in [format!("{command} --help"), format!("{command} -h"), format!("help {command}")] {
                assert_eq!(ask(&line), Ok(Request::Help(text)), "{line:?}");
            }
            assert!(HELP.contains(&format!("  {command} ")), "{command} is listed");
        }
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (line, word) in [
            ("biuld", "biuld"),
            ("build --release", "--release"),
            ("test --lnog", "--lnog"),
            ("bench --fast", "--fast"),
            ("dist --fast", "--fast"),
            ("dist --relay", "--relay"),
            ("biuld --help", "biuld"),
            ("help biuld", "biuld"),
        ] {
            let Err(usage) = ask(line) else { panic!("{line:?} was understood") };
            assert!(usage.to_string().contains(word), "{usage}");
        }
    }

    #[test]
    fn every_command_of_the_documentation_is_understood() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut lines = Vec::new();
        for folder in [&top, &top.join("docs"), &top.join("deploy")] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|kind| kind == "md") {
                    let text = std::fs::read_to_string(&path).expect("a page can be read");
                    let told = text.split("cargo xtask ").skip(1);
                    // To the end of the code, and without the signs for what may be left out or repeated.
                    let line = |rest: &str| {
                        let rest = rest.split(" && ").next().unwrap_or_default();
                        rest.split(['`', '\n']).next().unwrap_or_default().replace(['[', ']', '…'], " ")
                    };
                    lines.extend(told.map(|rest| (path.clone(), line(rest))));
                }
            }
        }
        assert!(lines.len() > 10, "only {} commands were found", lines.len());
        for (path, line) in lines {
            assert!(ask(&line).is_ok(), "{}: cargo xtask {line}", path.display());
        }
    }

    fn ask(line: &str) -> Result<Request, Usage> {
        parse(line.split_whitespace().map(OsString::from))
    }
}
