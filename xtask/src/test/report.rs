//! How the steps of the tests went.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::progress::{complain, in_words, say};

/// A line per step, printed when all are done.
pub(crate) struct Report {
    started: Instant,
    steps: Vec<Step>,
}

struct Step {
    title: String,
    passed: bool,
    time: Duration,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), steps: Vec::new() }
    }

    /// Runs a step under its heading and says whether it passed. A failure is reported and remembered, so that later
    /// steps still run.
    pub(crate) fn phase(&mut self, title: &str, work: impl FnOnce() -> Result<()>) -> bool {
        say(&format!("\n== {title}"));
        let started = Instant::now();
        let outcome = work();
        let time = started.elapsed();
        match &outcome {
            Ok(()) => say(&format!("== passed in {}", in_words(time))),
            Err(error) => complain(&format!("== FAILED after {}: {error:#}", in_words(time))),
        }
        self.steps.push(Step { title: title.to_owned(), passed: outcome.is_ok(), time });
        outcome.is_ok()
    }

    /// Runs a step that needs an earlier one; without that it counts as failed.
    pub(crate) fn phase_if(&mut self, possible: bool, title: &str, work: impl FnOnce() -> Result<()>) {
        if possible {
            self.phase(title, work);
        } else {
            complain(&format!("\n== {title}: not run, since what it needs was not built"));
            self.steps.push(Step { title: title.to_owned(), passed: false, time: Duration::ZERO });
        }
    }

    /// Prints the table.
    ///
    /// # Errors
    /// When a step failed: the sentence names all that did.
    pub(crate) fn finish(self) -> Result<()> {
        say(&format!("\n== All steps, {}", in_words(self.started.elapsed())));
        for Step { title, passed, time } in &self.steps {
            let word = if *passed { "passed" } else { "FAILED" };
            say(&format!("  {word} {:>12}  {title}", in_words(*time)));
        }
        let failed: Vec<_> =
            self.steps.iter().filter(|step| !step.passed).map(|step| step.title.as_str()).collect();
        if !failed.is_empty() {
            bail!("{} of {} steps failed: {}.", failed.len(), self.steps.len(), failed.join(", "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_does_not_stop_the_rest_and_is_named_at_the_end() {
        let mut report = Report::new();
        assert!(!report.phase("first", || bail!("broken")));
        assert!(report.phase("second", || Ok(())));
        report.phase_if(false, "third", || panic!("it cannot run"));
        let sentence = report.finish().expect_err("two failed").to_string();
        assert_eq!(sentence, "2 of 3 steps failed: first, third.");
    }

    #[test]
    fn all_passed_is_success() {
        let mut report = Report::new();
        report.phase("only", || Ok(()));
        report.finish().expect("all passed");
    }
}
