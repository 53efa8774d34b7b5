//! The command line: what the user typed becomes [`Options`], and every mistake one sentence.

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

use crate::options::{Flags, Options};

/// Hear what plays inside your containers in a browser tab.
#[derive(Debug, Parser)]
#[command(name = "soundport", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay (what `soundport` alone does)
    Serve(Flags),
}

/// Reads command line, environment and file. On failure the user has been told, and the exit code is returned.
pub(crate) fn parse() -> Result<Options, ExitCode> {
    let cli = Cli::try_parse().map_err(|error| usage(&error))?;
    let flags = match cli.command {
        Some(Command::Serve(flags)) => flags,
        None => cli.flags,
    };
    Options::gather(flags).map_err(|error| fail(&error))
}

/// Tells the user in one sentence what failed.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    say(&format!("{error:#}"));
    ExitCode::FAILURE
}

fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nothing is to be done where even the help cannot be printed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let rendered = error.to_string();
    let what = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let hint = match error.get(ContextKind::SuggestedArg).or_else(|| error.get(ContextKind::SuggestedValue)) {
        Some(ContextValue::String(suggested)) => format!(", did you mean {suggested}?"),
        Some(ContextValue::Strings(suggested)) => format!(", did you mean {}?", suggested.join(" or ")),
        Some(_) | None => String::new(),
    };
    say(&format!("{what}{hint} (soundport serve --help lists all options)"));
    ExitCode::from(2)
}

fn say(sentence: &str) {
    // Nothing is to be done where even stderr is closed.
    let _ = writeln!(std::io::stderr(), "soundport: {sentence}");
}
