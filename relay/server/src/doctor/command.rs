//! `soundport doctor`: looks at this machine, asks the relay that runs here, and prints what it found.

use std::io::Write;
use std::process::ExitCode;

use soundport_api::{Check, Checkup, Finding, Report, Verdict};

use super::ask::{self, Answer};
use super::words::listed;
use super::{host, print, trouble, unknown, well, worst};
use crate::options::Flags;

/// Prints what was found. Fails where something is wrong.
pub(crate) fn run(source: Option<&str>, json: bool, flags: &Flags) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(examine(source, flags)),
        Err(error) => {
            let said = format!("This machine lets nobody be asked: {error}.");
            let remedy = "Run it as a user who may open sockets.";
            report(vec![trouble(Check::Relay, said, remedy)], None)
        }
    };
    let text = match json {
        // Words and numbers: JSON can write them.
        true => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
        false => print::report(&report),
    };
    // Nobody reads what cannot be written; the exit code says it as well.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if report.verdict == Verdict::Trouble { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn examine(source: Option<&str>, flags: &Flags) -> Report {
    let configuration = host::configuration(flags);
    let options = &configuration.options;
    let addresses = options.http.resolve().unwrap_or_default();
    let answer = ask::check_up(&addresses).await;
    let runs = !matches!(answer, Answer::Nobody);
    let mut findings = configuration.findings;
    findings.extend(host::ports(options, runs));
    findings.push(host::certificate(options));
    findings.extend(host::announced(options));
    findings.extend(host::servers(options).await);
    let http = options.http.to_string();
    let relay = match answer {
        Answer::Checkup(checkup) => {
            findings.push(well(Check::Relay, format!("A relay runs here and answers at http://{http}.")));
            Some(only(*checkup, source, &mut findings))
        }
        Answer::Nobody => {
            let said = format!("No relay runs here: nobody answers at http://{http}.");
            let remedy = "Start one with `soundport serve`; if one runs elsewhere, name its plain HTTP with --http, or run the doctor there: `docker exec CONTAINER soundport doctor`.";
            // Who asks about a source wants to hear it.
            let told = if source.is_some() { trouble } else { unknown };
            findings.push(told(Check::Relay, said, remedy));
            None
        }
        Answer::Strange(what) => {
            let said =
                format!("Somebody answers at http://{http}, but not as a relay of this version: {what}.");
            let remedy =
                "Name the relay’s own plain HTTP with --http, and use the soundport that runs there.";
            findings.push(trouble(Check::Relay, said, remedy));
            None
        }
    };
    report(findings, relay)
}

/// Leaves out all sources but the one that was asked about.
fn only(mut checkup: Checkup, source: Option<&str>, findings: &mut Vec<Finding>) -> Checkup {
    let Some(source) = source else { return checkup };
    let known: Vec<String> = checkup.sources.iter().map(|known| known.source.clone()).collect();
    checkup.sources.retain(|known| known.source == source);
    if checkup.sources.is_empty() {
        let said = format!("The relay knows no source {source}.");
        let remedy = match known.as_slice() {
            [] => "It knows none: see what is said of the relay.".to_owned(),
            known => format!("Ask about one of those that it knows: {}.", listed(known)),
        };
        findings.push(trouble(Check::Relay, said, remedy));
    }
    let of_sources = checkup.sources.iter().map(|known| known.verdict);
    checkup.verdict = of_sources.chain([worst(&checkup.findings)]).max().unwrap_or(Verdict::Well);
    let of_source = checkup.sources.iter().find(|known| known.verdict == Verdict::Trouble);
    let own = checkup.findings.iter().find(|finding| finding.verdict == Verdict::Trouble);
    checkup.summary = match (own, of_source) {
        (Some(own), _) => own.said.clone(),
        (None, Some(source)) => source.summary.clone(),
        (None, None) => "Nothing is in the way of its sound.".to_owned(),
    };
    checkup
}

fn report(findings: Vec<Finding>, relay: Option<Checkup>) -> Report {
    let first = findings.iter().find(|finding| finding.verdict == Verdict::Trouble);
    let summary = match (first, &relay) {
        (Some(first), _) => first.said.clone(),
        (None, Some(relay)) => relay.summary.clone(),
        (None, None) => "Nothing is wrong with this machine.".to_owned(),
    };
    let verdict = worst(&findings).max(relay.as_ref().map_or(Verdict::Well, |relay| relay.verdict));
    Report { verdict, summary, findings, relay }
}
