//! What the user sees of the work: a line before each step, a line after it, and sentences when it fails.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Prints a line. A reader that went away is no reason to stop working.
pub(crate) fn say(line: &str) {
    show(io::stdout().lock(), line);
}

/// Prints a sentence about what went wrong.
pub(crate) fn complain(sentence: &str) {
    show(io::stderr().lock(), sentence);
}

/// Does one step that takes a while: says what is about to happen, and afterwards how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("{what} …"));
    let started = Instant::now();
    let done = work();
    let word = if done.is_ok() { "done in" } else { "failed after" };
    say(&format!("  {word} {}", in_words(started.elapsed())));
    done
}

/// Runs a program whose output is shown as it comes.
///
/// # Errors
/// When it cannot be started, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| not_started(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", in_short(command));
    }
    Ok(())
}

/// Runs a program whose output matters only when it fails: then all of it is shown. On a terminal a count of its lines
/// shows that it is alive.
///
/// # Errors
/// When it cannot be started, or ends with anything but success.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let (succeeded, output) = run_listening(command, false)?;
    if !succeeded {
        complain(output.trim_end());
        bail!("`{}` failed; its output stands above", in_short(command));
    }
    Ok(())
}

/// Runs a program, shows its output as it comes, and returns whether it succeeded, and all it said.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn run_heard(command: &mut Command) -> Result<(bool, String)> {
    run_listening(command, true)
}

/// The time as people say it: `0.4 s`, `12 s`, `1 min 05 s`.
pub(crate) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        secs @ 10..60 => format!("{secs} s"),
        secs => format!("{} min {:02} s", secs / 60, secs % 60),
    }
}

fn show(mut stream: impl Write, text: &str) {
    // The test harness cannot hold these lines back, and they would read as its own.
    if !cfg!(test) {
        let _ = writeln!(stream, "{text}");
    }
}

fn run_listening(command: &mut Command, aloud: bool) -> Result<(bool, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| not_started(command))?;
    let stdout = child.stdout.take().context("a piped child has an output")?;
    let stderr = child.stderr.take().context("a piped child has an error output")?;
    let other = thread::spawn(move || hear(stdout, aloud));
    let mut output = hear(stderr, aloud);
    if let Ok(text) = other.join() {
        output.push_str(&text);
    }
    Ok((child.wait()?.success(), output))
}

fn hear(stream: impl io::Read, aloud: bool) -> String {
    let counts = !aloud && io::stderr().is_terminal();
    let mut heard = String::new();
    for (lines, line) in BufReader::new(stream).split(b'\n').map_while(Result::ok).enumerate() {
        let line = String::from_utf8_lossy(&line);
        let _ = writeln!(heard, "{line}");
        if aloud {
            complain(&line);
        } else if counts {
            let _ = write!(io::stderr().lock(), "\r  … {} ", lines + 1);
        }
    }
    if counts {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
    heard
}

fn not_started(command: &Command) -> String {
    format!("`{}` could not be started", in_short(command))
}

fn in_short(command: &Command) -> String {
    let mut text = command.get_program().display().to_string();
    if let Some(name) = text.rfind('/') {
        text.drain(..=name);
    }
    for arg in command.get_args().take(6) {
        let _ = write!(text, " {}", arg.display());
    }
    if command.get_args().count() > 6 {
        text.push_str(" …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(in_words(Duration::from_millis(440)), "0.4 s");
        assert_eq!(in_words(Duration::from_millis(12_900)), "12 s");
        assert_eq!(in_words(Duration::from_secs(65)), "1 min 05 s");
        assert_eq!(in_words(Duration::from_secs(3600)), "60 min 00 s");
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("`sh -c exit 3`") && error.contains('3'), "{error}");
        let error = format!("{:#}", run(&mut Command::new("no-such-program")).unwrap_err());
        assert!(error.contains("`no-such-program` could not be started"), "{error}");
    }

    #[test]
    fn both_outputs_are_heard() {
        let (succeeded, output) =
            run_listening(Command::new("/bin/sh").args(["-c", "echo one; echo two >&2; exit 1"]), false)
                .expect("sh is there");
        assert!(!succeeded);
        assert!(output.contains("one\n") && output.contains("two\n"), "{output}");
    }
}
