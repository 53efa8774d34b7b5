//! `cargo xtask test`: all checks and tests, each with its time; what failed is named at the end.

mod plan;
mod report;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Executable, cargo, forget_this_package};
use crate::progress::{run, say};
use crate::tools::{Cache, crates, find_program, npm, python, rustup};
use crate::{packages, page};

use plan::{Part, Plan};
use report::Report;

/// The package of the end-to-end tests.
const END_TO_END: &str = "soundport-tests";

/// Private items are documented too: their readers are those who change this code.
const DOC_FLAGS: &str = "--deny warnings --allow rustdoc::private-intra-doc-links";

/// Runs the parts that `filters` name, or the tests whose names hold one of them, or all.
///
/// # Errors
/// When something that tests need cannot be had, or a step failed.
pub(crate) fn test(long: bool, filters: &[String]) -> Result<()> {
    let plan = Plan::new(filters);
    let mut report = Report::new();

    packages::ensure(packages::BUILD)?;
    if plan.has(Part::Browser) || plan.has(Part::EndToEnd) {
        packages::ensure(packages::TEST)?;
    }
    rustup::ensure_checks()?;
    rustup::ensure_wasm()?;
    let cache = Cache::open()?;

    check(&plan, &mut report);
    if plan.has(Part::Browser) {
        report.phase("The page's tests in Chromium", || in_browser(&cache, &plan));
    }
    if plan.has(Part::Unit) || plan.has(Part::EndToEnd) {
        native(&cache, &plan, &mut report, long);
    }
    report.finish()
}

/// The variables by which end-to-end tests and benchmarks find what was installed for them.
///
/// # Errors
/// When something cannot be installed.
pub(crate) fn environment(cache: &Cache, relay: &Path, long: bool) -> Result<Vec<(&'static str, OsString)>> {
    let mut variables = vec![
        ("SOUNDPORT_BIN", relay.into()),
        ("SOUNDPORT_PYTHON", python::environment(cache)?.into()),
        ("SOUNDPORT_AXE", npm::axe_core(cache)?.into()),
        ("SOUNDPORT_NOVNC", npm::novnc(cache)?.into()),
    ];
    if long {
        variables.push(("SOUNDPORT_LONG", "1".into()));
    }
    Ok(variables)
}

fn check(plan: &Plan, report: &mut Report) {
    if plan.has(Part::Format) {
        report.phase("Formatting", || run(&mut cargo(&["fmt", "--all", "--check"])));
    }
    if plan.has(Part::Clippy) {
        report.phase("Lints", || {
            let targets =
                ["clippy", "--workspace", "--exclude", "soundport-web", "--all-targets", "--locked"];
            run(cargo(&targets).args(["--", "--deny", "warnings"]))
        });
    }
    if plan.has(Part::WebClippy) {
        report.phase("Lints of the page", || {
            let targets = [
                "clippy",
                "--package",
                "soundport-web",
                "--all-targets",
                "--locked",
                "--target",
                rustup::WASM,
            ];
            run(cargo(&targets).args(["--", "--deny", "warnings"]))
        });
    }
    if plan.has(Part::Docs) {
        report.phase("Documentation", || {
            let common = ["doc", "--no-deps", "--document-private-items", "--locked"];
            let native = ["--workspace", "--exclude", "soundport-web"];
            let page = ["--package", "soundport-web", "--target", rustup::WASM];
            run(cargo(&common).args(native).env("RUSTDOCFLAGS", DOC_FLAGS))?;
            run(cargo(&common).args(page).env("RUSTDOCFLAGS", DOC_FLAGS))
        });
    }
}

fn in_browser(cache: &Cache, plan: &Plan) -> Result<()> {
    let runner = crates::wasm_bindgen(cache)?.join("wasm-bindgen-test-runner");
    let driver = find_program("chromedriver").context("There is no chromedriver")?;
    let mut command = cargo(&["test", "--package", "soundport-web", "--locked", "--target", rustup::WASM]);
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    command.env("CHROMEDRIVER", driver).env("WASM_BINDGEN_TEST_TIMEOUT", "120");
    run(command.arg("--").args(plan.words()))
}

/// One build for all tests of this machine: other choices of packages would give other features, and so compile much
/// of it again.
fn native(cache: &Cache, plan: &Plan, report: &mut Report, long: bool) {
    // The relay carries the page inside: it comes first.
    let has_page = !plan.has(Part::EndToEnd) || report.phase("Building the page", || page::build(cache));
    let mut made = Vec::new();
    report.phase("Building relay and tests", || {
        let all = ["build", "--workspace", "--bin", "soundport", "--tests", "--locked", "--keep-going"];
        cargo::build(&all, &mut made)
    });
    let relay = made.iter().find(|made| made.package == "soundport" && !made.is_test);
    let (end_to_end, unit): (Vec<_>, Vec<_>) =
        made.iter().filter(|made| made.is_test).partition(|made| made.package == END_TO_END);

    if plan.has(Part::Unit) {
        report.phase_if(!unit.is_empty(), "Unit tests", || {
            run_all(&unit, plan, &[])?;
            run(cargo(&["test", "--workspace", "--doc", "--locked", "--quiet", "--"]).args(plan.words()))
        });
    }
    if plan.has(Part::EndToEnd) {
        let is_possible = has_page && relay.is_some() && !end_to_end.is_empty();
        report.phase_if(is_possible, "End-to-end tests", || {
            let relay = relay.context("Cargo built no relay")?;
            run_all(&end_to_end, plan, &environment(cache, &relay.path, long)?)
        });
    }
}

/// Runs every one, also after one has failed.
fn run_all(tests: &[&Executable], plan: &Plan, variables: &[(&str, OsString)]) -> Result<()> {
    let mut failed = Vec::new();
    for test in tests {
        let mut command = Command::new(&test.path);
        command.current_dir(&test.folder).envs(variables.iter().cloned());
        forget_this_package(&mut command);
        command.env("CARGO_MANIFEST_DIR", &test.folder);
        if !plan.words().is_empty() {
            if !plan.names(&test.target) {
                command.args(plan.words());
            }
            if !has_tests(&test.path, &command) {
                continue;
            }
        }
        say(&format!("\n{}: {}", test.package, test.target));
        if run(&mut command).is_err() {
            failed.push(format!("{}: {}", test.package, test.target));
        }
    }
    if !failed.is_empty() {
        bail!("tests failed in {}", failed.join(", "));
    }
    Ok(())
}

/// Whether a word of the user's is in the name of one of its tests.
fn has_tests(path: &Path, command: &Command) -> bool {
    let listed = Command::new(path).args(command.get_args()).args(["--list", "--format", "terse"]).output();
    listed.is_ok_and(|listed| !listed.stdout.is_empty())
}
