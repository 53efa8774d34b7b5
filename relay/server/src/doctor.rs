//! The doctor: says why there is no sound, or that nothing is in the way.
//!
//! Facts are gathered from their owners once for each question ([`gather`]); what they mean is told by functions of
//! these alone. What is what can be seen without a relay.

mod ask;
pub(crate) mod command;
pub(crate) mod gather;
mod host;
mod print;
mod relay;
mod session;
mod source;
mod words;

use soundport_api::{Check, Diagnosis, Finding, SessionDiagnosis, Source, Verdict};
use soundport_core::SessionId;
use soundport_core::fanout::Audience;
use soundport_core::ingest::SourceFacts;

pub(crate) use self::relay::{RelayFacts, checkup};

/// All that a source's diagnosis needs.
#[derive(Debug)]
pub(crate) struct Facts {
    /// As it is listed.
    pub(crate) source: Source,
    /// What ingest knows; none of a room.
    pub(crate) ingest: Option<SourceFacts>,
    /// Who listens and talks.
    pub(crate) audience: Audience,
    /// The sessions that the asker says are its own.
    pub(crate) own: Vec<SessionId>,
}

/// Says what is in the way of a source's sound.
pub(crate) fn diagnose(facts: &Facts, relay: &RelayFacts) -> Diagnosis {
    let mut findings = source::findings(facts, relay);
    let mut sessions: Vec<SessionDiagnosis> =
        facts.audience.sessions.iter().map(|known| session::diagnose(known, &facts.own, relay)).collect();
    findings.extend(relay::turn(relay, &facts.audience, &facts.own));
    sessions.sort_by_key(|session| (!session.own, std::cmp::Reverse(session.verdict)));
    if worst(&findings) == Verdict::Well {
        sessions.iter_mut().for_each(session::advise);
    }
    let asks_of_own = sessions.iter().any(|session| session.own);
    let considered = sessions.iter().filter(|session| session.own || !asks_of_own);
    let all: Vec<&Finding> =
        findings.iter().chain(considered.flat_map(|session| &session.findings)).collect();
    Diagnosis {
        source: facts.source.id.clone(),
        title: facts.source.title.clone(),
        verdict: all.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Well),
        summary: summary(&all),
        findings,
        sessions,
        more_sessions: facts.audience.more,
    }
}

/// The first trouble in the order that sound takes, or that there is none.
fn summary(findings: &[&Finding]) -> String {
    let troubles = findings.iter().filter(|finding| finding.verdict == Verdict::Trouble);
    let first = troubles.min_by_key(|finding| finding.check);
    first.map_or_else(|| "Nothing is in the way of its sound.".to_owned(), |first| first.said.clone())
}

fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Well)
}

fn well(check: Check, said: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Well, said: said.into(), remedy: None }
}

fn unknown(check: Check, said: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Unknown, said: said.into(), remedy: Some(remedy.into()) }
}

fn trouble(check: Check, said: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Trouble, said: said.into(), remedy: Some(remedy.into()) }
}

#[cfg(test)]
mod tests;
