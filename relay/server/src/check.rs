//! `soundport check`: reads the configuration as the relay would, and says what is wrong with it.

use std::fmt::Write as _;
use std::io::Write;
use std::net::{IpAddr, ToSocketAddrs};
use std::process::ExitCode;

use futures_util::future::join_all;

use crate::certificates;
use crate::config::mistake::{Mistakes, Place, quote};
use crate::config::{Given, Settings};
use crate::ice;
use crate::network::is_private;
use crate::options::{Flags, Options, SourceEntry};

/// Prints every mistake and fails, or says what the relay would do.
pub(crate) fn run(flags: &Flags) -> ExitCode {
    let mut mistakes = Mistakes::default();
    let settings = Settings::gather(flags, &mut mistakes);
    let options = settings.complete(&mut mistakes);
    check_certificates(&settings, &mut mistakes);
    let warnings = [source_warnings(&settings), announce_warnings(&settings)].concat();
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    // Nobody reads what cannot be written; the exit code says it as well.
    let _ = warnings.iter().try_for_each(|warning| writeln!(err, "{warning}"));
    if !mistakes.is_empty() {
        let _ = writeln!(err, "{mistakes}");
        return ExitCode::FAILURE;
    }
    let _ = ask_servers(&settings, &options).iter().try_for_each(|warning| writeln!(err, "{warning}"));
    let verdict = match flags.config() {
        Some(path) => format!("{} is fine.", path.display()),
        None => "No file is named (--config FILE); command line and environment are fine.".to_owned(),
    };
    let _ = writeln!(out, "{}{verdict}", summary(&options));
    ExitCode::SUCCESS
}

/// Reads the certificate and its key, and mints nothing.
pub(crate) fn check_certificates(settings: &Settings, mistakes: &mut Mistakes) {
    match (&settings.cert, &settings.key) {
        (Some(cert), Some(key)) => match certificates::check(&cert.value, &key.value) {
            Ok(()) => {}
            Err(certificates::Unfit::Certificate(error)) => mistakes.add(&cert.place, format!("{error:#}")),
            Err(certificates::Unfit::Key(error)) => mistakes.add(&key.place, format!("{error:#}")),
        },
        (None, None) => {
            if let Some(Given { value, place }) = &settings.certs
                && value.exists()
                && !value.is_dir()
            {
                let quoted = quote(&value.to_string_lossy());
                mistakes.add(
                    place,
                    format!("{quoted} is not a folder; name a folder, it is made if it is missing"),
                );
            }
        }
        _ => {}
    }
}

/// What may be right of the sources, but probably is not.
pub(crate) fn source_warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |place: &Place, what: String| warnings.push(warning(place, &what));
    for Given { value, place } in settings.sources.iter().filter_map(|source| source.from.as_ref()) {
        let quoted = quote(&value.host);
        if value.host.parse().is_ok_and(|ip| !is_private(ip)) {
            warn(
                place,
                format!("{quoted} is in no private network; RTP is taken from those and this host alone"),
            );
        } else if unresolved(&value.host) {
            warn(place, format!("{quoted} cannot be resolved now; is the container running?"));
        }
    }
    for Given { value, place } in settings.sources.iter().filter_map(|source| source.talk_to.as_ref()) {
        if unresolved(&value.host) {
            let quoted = quote(&value.host);
            warn(place, format!("{quoted} cannot be resolved now; is the container running?"));
        }
    }
    warnings
}

/// What may be right of the announced addresses, but probably is not.
fn announce_warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |place: &Place, what: String| warnings.push(warning(place, &what));
    if let Some(Given { value, place }) = &settings.announce {
        for announce in value.iter().filter(|announce| unresolved(&announce.host)) {
            warn(place, format!("{} cannot be resolved now; is it spelt right?", quote(&announce.host)));
        }
        for (n, announce) in value.iter().enumerate() {
            if value[..n].contains(announce) {
                warn(place, format!("{} is announced twice; once will do", quote(&announce.to_string())));
            }
        }
    }
    warnings
}

fn unresolved(host: &str) -> bool {
    host.parse::<IpAddr>().is_err() && (host, 0).to_socket_addrs().is_err()
}

/// Asks the STUN and TURN servers, and says what is wrong with them. Takes six seconds at most.
fn ask_servers(settings: &Settings, options: &Options) -> Vec<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return vec!["warning: STUN and TURN servers could not be asked".to_owned()];
    };
    let own = settings.stun.iter().map(|Given { value, place }| (place, value, None));
    let entries = settings.ice.places().zip(&options.ice.servers);
    let for_browsers = entries.flat_map(|(place, entry)| {
        entry.urls.iter().map(move |url| (place, url, entry.credentials.as_ref()))
    });
    let asked = own.chain(for_browsers).map(|(place, url, credentials)| async move {
        let trouble = match url.scheme.is_turn() {
            true => ice::check::turn(url, credentials).await,
            false => ice::check::stun(url).await,
        };
        trouble.map(|trouble| warning(place, &trouble))
    });
    runtime.block_on(join_all(asked)).into_iter().flatten().collect()
}

fn warning(place: &Place, what: &str) -> String {
    format!("{place}: warning: {what}")
}

/// What the relay would do, a line for each thing.
fn summary(options: &Options) -> String {
    let mut lines = format!("Page and API: https://{}, http://{}\n", options.https, options.http);
    let groups = if options.multicast { " and in multicast groups" } else { "" };
    let sap = options.sap.map_or_else(|| "nowhere".to_owned(), |sap| format!("on {sap}"));
    // Writing to a string does not fail.
    let _ = writeln!(lines, "Containers: RTP on {}{groups}, announcements {sap}", options.rtp);
    if !options.announce.is_empty() {
        let _ = writeln!(lines, "Browsers reach the relay at {}", listed(&options.announce));
    }
    if let Some(stun) = &options.stun {
        let _ = writeln!(lines, "Its outside address is found by {stun}");
    }
    let urls: Vec<_> = options.ice.servers.iter().flat_map(|entry| &entry.urls).collect();
    if !urls.is_empty() {
        let _ = writeln!(lines, "Browsers may use {}", listed(&urls));
    }
    for source in &options.sources {
        let _ = writeln!(lines, "Source {}", describe(source));
    }
    lines
}

fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn describe(source: &SourceEntry) -> String {
    let SourceEntry { id, title, from, port, format, bitrate_bps, frame, .. } = source;
    let mut words = vec![match (from, port) {
        _ if source.room => "a room".to_owned(),
        (Some(from), Some(port)) => format!("from {from} to port {port}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(port)) => format!("to port {port}"),
        (None, None) => "whoever appears under this id".to_owned(),
    }];
    words.extend(format.map(|format| format.to_string()));
    words.extend(bitrate_bps.map(|bitrate| format!("{} kb/s", bitrate / 1000)));
    words.extend(frame.map(|frame| format!("{} ms frames", frame.duration().as_millis())));
    words.extend(match (source.talk, &source.talk_to) {
        (_, Some(to)) => Some(format!("its microphone at {to}")),
        (Some(true), None) => Some("may be talked into".to_owned()),
        (Some(false), None) => Some("may not be talked into".to_owned()),
        (None, None) => None,
    });
    words.extend(source.monitor_talkers.then(|| "listeners hear talkers".to_owned()));
    format!("{id} {}: {}", quote(title), words.join(", "))
}
