//! Where browsers are told to reach the relay, and whether STUN and TURN servers work, from this machine.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use futures_util::future::join_all;
use soundport_api::{Check, Finding};

use super::super::words::listed;
use super::{trouble, unknown, well};
use crate::ice;
use crate::network::{Listening, Reach, host_addresses};
use crate::options::{Announce, Options};

/// Looks at what is announced.
pub(in crate::doctor) fn announced(options: &Options) -> Vec<Finding> {
    const CHECK: Check = Check::Announce;
    if !options.announce.is_empty() {
        let own = host_addresses();
        return options.announce.iter().map(|announce| announced_one(announce, &own, options)).collect();
    }
    if let Some(stun) = &options.stun {
        let said = format!("The relay offers this machine’s own addresses, and what {stun} says of it.");
        return vec![well(CHECK, said)];
    }
    let reach = reach(options);
    vec![unknown(CHECK, reach.offer(), reach.remedy())]
}

fn announced_one(announce: &Announce, own: &[IpAddr], options: &Options) -> Finding {
    const CHECK: Check = Check::Announce;
    let reach = reach(options);
    let Ok(found) = (announce.host.as_str(), 0).to_socket_addrs() else {
        return trouble(
            CHECK,
            format!("{announce} is announced, but cannot be resolved."),
            "Check how it is spelt, or announce an IP address.",
        );
    };
    let mut found: Vec<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
    found.dedup();
    let addresses = listed(&found.iter().map(ToString::to_string).collect::<Vec<_>>());
    let is_name = announce.host.parse::<IpAddr>().is_err();
    let what = if is_name { format!("{announce} ({addresses})") } else { announce.to_string() };
    let loopback = found.iter().all(IpAddr::is_loopback);
    match found.iter().any(|ip| own.contains(ip)) {
        _ if loopback => unknown(
            CHECK,
            format!("{what} is announced, which is this machine for itself alone."),
            "For browsers on other machines announce the address by which they reach this one.",
        ),
        true => well(CHECK, format!("{what} is announced, and is an address of this machine.")),
        false => unknown(
            CHECK,
            format!("{what} is announced, and is no address of this machine: something must forward to it."),
            format!("There {}", lower(&reach.remedy())),
        ),
    }
}

/// Asks the STUN and TURN servers. Takes six seconds at most.
pub(in crate::doctor) async fn servers(options: &Options) -> Vec<Finding> {
    const CHECK: Check = Check::Turn;
    let own = options.stun.iter().map(|url| (url, None));
    let entries = options.ice.servers.iter();
    let for_browsers =
        entries.flat_map(|entry| entry.urls.iter().map(|url| (url, entry.credentials.as_ref())));
    let asked = own.chain(for_browsers).map(|(url, credentials)| async move {
        let is_turn = url.scheme.is_turn();
        let said = match is_turn {
            true => ice::check::turn(url, credentials).await,
            false => ice::check::stun(url).await,
        };
        match said {
            Some(said) => trouble(
                CHECK,
                said,
                "Correct it where it is configured ([ice], --ice-…, --stun); `soundport check` names the line.",
            ),
            None if is_turn => well(CHECK, format!("{url} took the relay’s credentials.")),
            None => well(CHECK, format!("{url} answers.")),
        }
    });
    join_all(asked).await
}

fn reach(options: &Options) -> Reach {
    let https: Vec<SocketAddr> = options.https.resolve().unwrap_or_default();
    let listening = Listening { media: options.media, https: https.into() };
    Reach::new(&listening, &options.announce, &[])
}

fn lower(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}
