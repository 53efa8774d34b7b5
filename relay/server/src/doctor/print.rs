//! Findings in words, for a terminal: troubles first.

use std::fmt::Write as _;

use soundport_api::{Check, Diagnosis, Finding, Report, SessionDiagnosis, StreamPurpose, Verdict};

use super::words::{count, time};

/// All that was found.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    section(&mut text, "This machine", &report.findings);
    if let Some(relay) = &report.relay {
        // What concerns the machine was looked at above, from nearer by.
        let own: Vec<Finding> =
            relay.findings.iter().filter(|finding| !is_machines(finding)).cloned().collect();
        section(&mut text, "The relay", &own);
        let mut sources: Vec<&Diagnosis> = relay.sources.iter().collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.verdict));
        sources.into_iter().for_each(|known| source(&mut text, known));
    }
    let last = match report.verdict {
        Verdict::Trouble => format!("{} found.", count(troubles(report), "trouble", "troubles")),
        Verdict::Unknown => {
            "No trouble found; what nobody can know from here is marked with a question mark.".to_owned()
        }
        Verdict::Well => "All is well.".to_owned(),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{last}");
    text
}

fn source(text: &mut String, source: &Diagnosis) {
    let own: Vec<Finding> = source.findings.iter().filter(|finding| !is_machines(finding)).cloned().collect();
    let title = match source.title == source.source {
        true => format!("Source {}", source.source),
        false => format!("Source {} ({})", source.source, source.title),
    };
    section(text, &title, &own);
    for session in &source.sessions {
        section(text, &title_of(session, source), &session.findings);
    }
    if source.more_sessions > 0 {
        let _ = writeln!(
            text,
            "And {} more of {}\n",
            count(source.more_sessions.into(), "session", "sessions"),
            source.source
        );
    }
}

fn title_of(session: &SessionDiagnosis, source: &Diagnosis) -> String {
    let does = match session.purpose {
        StreamPurpose::Listen => "listening to",
        StreamPurpose::Talk => "talking into",
    };
    let age = time(std::time::Duration::from_secs(session.age_secs));
    format!("Session {}, {does} {} for {age}", session.number, source.source)
}

fn section(text: &mut String, title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    for finding in sorted {
        let mark = match finding.verdict {
            Verdict::Trouble => "✗",
            Verdict::Unknown => "?",
            Verdict::Well => "✓",
        };
        let _ = writeln!(text, "  {mark} {:<13} {}", name(finding.check), finding.said);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "    {:<13} → {remedy}", "");
        }
    }
    text.push('\n');
}

/// Whether it was looked at from this machine as well.
fn is_machines(finding: &Finding) -> bool {
    matches!(finding.check, Check::Announce | Check::Turn)
}

fn troubles(report: &Report) -> u64 {
    let relay = report.relay.iter();
    let of_relay = relay.clone().flat_map(|relay| &relay.findings).filter(|finding| !is_machines(finding));
    let sources = relay.flat_map(|relay| &relay.sources);
    let of_sources =
        sources.clone().flat_map(|source| &source.findings).filter(|finding| !is_machines(finding));
    let of_sessions = sources.flat_map(|source| &source.sessions).flat_map(|session| &session.findings);
    let all = report.findings.iter().chain(of_relay).chain(of_sources).chain(of_sessions);
    all.filter(|finding| finding.verdict == Verdict::Trouble).count() as u64
}

fn name(check: Check) -> &'static str {
    match check {
        Check::Configuration => "configuration",
        Check::Ports => "ports",
        Check::Certificate => "certificate",
        Check::Announce => "announce",
        Check::Relay => "relay",
        Check::Packets => "packets",
        Check::Suspended => "suspended",
        Check::Zeros => "zeros",
        Check::Format => "format",
        Check::Encoder => "encoder",
        Check::Talkback => "talkback",
        Check::Path => "path",
        Check::Turn => "turn",
        Check::Playback => "playback",
    }
}
