//! What is told of the command line beside `--help`: completions for shells, and the manual page.

use clap::{Command, ValueEnum};
use clap_complete::aot::{Bash, Fish, Zsh, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// A shell that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// A script that makes `shell` complete the command line.
pub(super) fn completions(shell: Shell, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(Bash, &mut command, "soundport", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "soundport", &mut script),
        Shell::Fish => generate(Fish, &mut command, "soundport", &mut script),
    }
    script
}

/// The manual page, as roff.
pub(super) fn page(command: Command) -> Vec<u8> {
    let commands: Vec<(String, String)> = command
        .get_subcommands()
        .map(|command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            (command.get_name().to_owned(), about)
        })
        .collect();
    // The commands have no pages of their own: they are told of below.
    let man = Man::new(command.disable_help_subcommand(true));
    let mut page = Vec::new();
    // Nothing fails that writes into memory.
    let _ = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| rest(&commands).to_writer(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(|()| man.render_version_section(&mut page));
    page
}

fn rest(commands: &[(String, String)]) -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["COMMANDS"]);
    for (name, about) in commands {
        roff.control("TP", []);
        roff.text([clap_mangen::roff::bold(name.as_str())]);
        roff.text([roman(format!("{about}."))]);
    }
    for (title, text) in [
        (
            "FILES",
            "The file that --config names, in TOML; soundport.example.toml holds every key with its default. Each option is \
             also such a key, and an environment variable (--https is SOUNDPORT_HTTPS): the command line goes over the environment, the environment \
             over the file. SIGHUP has it read again.",
        ),
        (
            "ENVIRONMENT",
            "SOUNDPORT_LOG says how much is logged, to standard error: error, warn, info (the default), debug or trace.",
        ),
        (
            "EXIT STATUS",
            "0 when it was told to stop (SIGTERM, SIGINT), 1 when something failed, 2 when the command line is wrong. One \
             sentence on standard error says what, and what to do.",
        ),
    ] {
        roff.control("SH", [title]);
        roff.text([roman(text)]);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("soundport")
            .about("Hear")
            .arg(clap::Arg::new("https").long("https").help("Where"))
            .subcommand(Command::new("check").about("Say what is wrong"))
    }

    #[test]
    fn every_shell_is_told_of_every_option() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell, command())).unwrap();
            assert!(script.contains("https") && script.contains("check"), "{shell:?}: {script}");
        }
    }

    #[test]
    fn the_manual_tells_of_options_and_commands() {
        let page = String::from_utf8(page(command())).unwrap();
        for word in [".TH soundport 1", ".SH COMMANDS", "check", ".SH OPTIONS", "https", "EXIT STATUS"] {
            assert!(page.contains(word), "{word} in {page}");
        }
    }
}
