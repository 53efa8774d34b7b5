//! What can be seen of this machine, whether a relay runs or not.

mod holder;
mod ports;
mod reach;

use std::time::{Duration, SystemTime};

use soundport_api::{Check, Finding};

pub(super) use self::ports::ports;
pub(super) use self::reach::{announced, servers};

use super::words::listed;
use super::{trouble, unknown, well};
use crate::certificates;
use crate::check;
use crate::config::Settings;
use crate::config::mistake::Mistakes;
use crate::options::{CertificateFiles, Flags, Options};

/// A certificate that expires sooner should have been renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);

/// As many names of a certificate are told.
const MAX_NAMES: usize = 6;

/// The configuration, as far as it can be read, and what is wrong with it.
pub(super) struct Configuration {
    pub(super) options: Options,
    pub(super) findings: Vec<Finding>,
}

/// Reads the configuration as the relay would.
pub(super) fn configuration(flags: &Flags) -> Configuration {
    const CHECK: Check = Check::Configuration;
    let mut mistakes = Mistakes::default();
    let settings = Settings::gather(flags, &mut mistakes);
    let options = settings.complete(&mut mistakes);
    // The user's own certificate is looked at by itself.
    if settings.cert.is_none() {
        check::check_certificates(&settings, &mut mistakes);
    }
    let mut findings: Vec<Finding> = mistakes
        .to_string()
        .lines()
        .map(|mistake| trouble(CHECK, format!("{mistake}."), "Correct it; `soundport check` reads it again."))
        .collect();
    let warnings = check::source_warnings(&settings);
    findings.extend(warnings.iter().map(|warning| {
        unknown(CHECK, format!("{}.", warning.replacen("warning: ", "", 1)), "See whether it is meant so.")
    }));
    if findings.is_empty() {
        let what = match flags.config() {
            Some(path) => format!("{} is fine.", path.display()),
            None => "No file is named (--config FILE); command line and environment are fine.".to_owned(),
        };
        findings.push(well(CHECK, what));
    }
    Configuration { options, findings }
}

/// Looks at the certificate, and mints nothing.
pub(super) fn certificate(options: &Options) -> Finding {
    const CHECK: Check = Check::Certificate;
    let (cert, key, is_minted) = match &options.certificate {
        CertificateFiles::Own { cert, key } => (cert.clone(), key.clone(), false),
        CertificateFiles::Minted(folder) => (folder.join("cert.pem"), folder.join("key.pem"), true),
    };
    if is_minted && !cert.exists() && !key.exists() {
        let folder = cert.parent().unwrap_or(&cert).display().to_string();
        return well(CHECK, format!("There is none yet; the relay mints one into {folder} when it starts."));
    }
    let described = match (certificates::check(&cert, &key), certificates::describe(&cert)) {
        (Ok(()), Ok(described)) => described,
        (Err(certificates::Unfit::Certificate(error) | certificates::Unfit::Key(error)), _)
        | (_, Err(error)) => {
            let remedy = match is_minted {
                true => {
                    "Delete both files, and the relay mints new ones when it starts; or run this as the relay’s user."
                }
                false => {
                    "Correct cert and key, or leave both out, and the relay mints a certificate by itself."
                }
            };
            return trouble(CHECK, format!("{error:#}."), remedy);
        }
    };
    let left = described.expires.duration_since(SystemTime::now()).unwrap_or_default();
    let days = left.as_secs() / (24 * 3600);
    let mut named = described.names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>();
    let more = described.names.len().saturating_sub(MAX_NAMES);
    named.extend((more > 0).then(|| format!("{more} more")));
    let said = format!("{} is good for {days} more days, for {}.", cert.display(), listed(&named));
    let uncovered: Vec<String> = options
        .announce
        .iter()
        .map(|announce| announce.host.clone())
        .filter(|host| !covers(&described.names, host))
        .collect();
    match (left < RENEWED_BEFORE, is_minted) {
        (true, true) => unknown(CHECK, said, "Delete it and start the relay again, and it mints a new one."),
        (true, false) => unknown(CHECK, said, "Renew it, and start the relay again."),
        (false, true) => Finding {
            remedy: Some("The relay minted it, so each browser asks once whether to trust it. To be rid of that name a certificate of your own: --cert FILE --key FILE.".to_owned()),
            ..well(CHECK, said)
        },
        (false, false) if !uncovered.is_empty() => unknown(
            CHECK,
            format!("{said} It does not name {}, which is announced.", listed(&uncovered)),
            "Open the page by a name that the certificate has; the announced addresses are for media, which needs none.",
        ),
        (false, false) => well(CHECK, said),
    }
}

/// Whether a certificate with these names is for a host (RFC 9525, section 6.3).
fn covers(names: &[String], host: &str) -> bool {
    let is_it = |name: &String| {
        let wildcard = name.strip_prefix("*.").zip(host.split_once('.'));
        name.eq_ignore_ascii_case(host)
            || wildcard.is_some_and(|(domain, (_, rest))| domain.eq_ignore_ascii_case(rest))
    };
    names.iter().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names = ["*.example.org".to_owned(), "192.0.2.1".to_owned()];
        assert!(covers(&names, "Sound.example.org") && covers(&names, "192.0.2.1"));
        assert!(!covers(&names, "example.org") && !covers(&names, "a.b.example.org"));
    }
}
