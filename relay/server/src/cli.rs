//! The command line: what the user typed becomes an [`Order`], and every mistake one sentence.

mod manual;

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::mistake::Mistakes;
use crate::options::Flags;

/// The version, and of which commit, how and for what it was built.
const VERSION: &str = env!("SOUNDPORT_VERSION");

/// Hear what plays inside your containers in a browser tab.
#[derive(Debug, Parser)]
#[command(name = "soundport", version = VERSION, args_conflicts_with_subcommands = true, max_term_width = 100)]
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
    /// Say what is wrong with the configuration, without running anything
    Check(Flags),
    /// Say by the exit code whether the relay that runs here is well
    Health(Flags),
    /// Say why there is no sound, and what to do: here, in the relay that runs here, and in each source
    Doctor(Doctor),
    /// Print what makes a shell complete `soundport`: bash, zsh or fish
    Completions {
        /// The shell
        shell: manual::Shell,
    },
    /// Print the manual page, for man -l
    Manual,
}

#[derive(Debug, Args)]
struct Doctor {
    /// Look at this source alone, such as `desktop`
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// What the user wants done.
#[derive(Debug)]
pub(crate) enum Order {
    /// Run the relay.
    Serve(Flags),
    /// Look at the configuration.
    Check(Flags),
    /// Say why there is no sound.
    Doctor {
        /// The one source that is asked about.
        source: Option<String>,
        /// Whether the answer is for programs.
        json: bool,
        /// How the relay runs.
        flags: Flags,
    },
    /// Print this text.
    Print(Vec<u8>),
    /// Ask the relay that runs here.
    Health(Flags),
}

/// Reads command line and environment. On failure the user has been told, and the exit code is returned.
pub(crate) fn parse() -> Result<Order, ExitCode> {
    let read = || {
        let matches = Cli::command().try_get_matches()?;
        Ok((Cli::from_arg_matches(&matches)?, matches))
    };
    let (cli, matches) = read().map_err(|error: clap::Error| usage(&error))?;
    let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
    let noted = |mut flags: Flags| {
        flags.note_environment(matches);
        flags
    };
    Ok(match cli.command {
        Some(Command::Serve(flags)) => Order::Serve(noted(flags)),
        Some(Command::Check(flags)) => Order::Check(noted(flags)),
        Some(Command::Doctor(Doctor { source, json, flags })) => {
            Order::Doctor { source, json, flags: noted(flags) }
        }
        Some(Command::Completions { shell }) => Order::Print(manual::completions(shell, Cli::command())),
        Some(Command::Manual) => Order::Print(manual::page(Cli::command())),
        Some(Command::Health(flags)) => Order::Health(noted(flags)),
        None => Order::Serve(noted(cli.flags)),
    })
}

/// Prints what was asked for. A reader that went away is no failure.
pub(crate) fn print(text: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(&error.into()),
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Tells the user in one sentence what failed.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    say(&format!("{error:#}"));
    ExitCode::FAILURE
}

/// Tells the user what is wrong with the configuration, a sentence for each mistake.
pub(crate) fn refuse(mistakes: &Mistakes) -> ExitCode {
    mistakes.to_string().lines().for_each(say);
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
