//! The project's own commands: from nothing but a Rust toolchain to a running relay, and to tests that have run.
//!
//! Only steps that need logic live here (pinned tools, packages, the order of the tests); what Cargo or Trunk can do
//! alone, they do. `xtask` is built before everything else: it stays small and almost without dependencies.

mod args;
mod bench;
mod build;
mod cargo;
mod dist;
mod packages;
mod page;
mod progress;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use args::Request;

fn main() -> ExitCode {
    let request = match args::parse(std::env::args_os().skip(1)) {
        Ok(request) => request,
        Err(usage) => {
            progress::complain(&usage.to_string());
            return ExitCode::from(2);
        }
    };
    let done = match request {
        Request::Help(text) => {
            progress::say(text);
            Ok(())
        }
        Request::Build => build::build().map(drop),
        Request::Run { relay_args } => build::run(&relay_args),
        Request::Test { long, filters } => test::test(long, &filters),
        Request::Bench { names } => bench::bench(&names),
        Request::Dist(wanted) => dist::dist(&wanted),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
