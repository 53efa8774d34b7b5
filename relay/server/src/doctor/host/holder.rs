//! Who holds a port, as the kernel tells it (proc(5)).

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A program that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) program: String,
    pub(super) process: u32,
}

/// What carries a port's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Those who hold a port of this machine, as far as this user may know.
pub(super) fn of(protocol: Protocol, port: u16) -> Vec<Holder> {
    let tables = ["", "6"].map(|family| format!("/proc/net/{}{family}", protocol.name()));
    let tables = tables.iter().filter_map(|path| fs::read_to_string(path).ok());
    let inodes: HashSet<String> = tables.flat_map(|table| inodes(&table, protocol, port)).collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let numbered =
        processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    let holders = numbered.filter(|(_, path)| holds(path, &inodes));
    let mut holders: Vec<Holder> = holders
        .map(|(process, path)| {
            let program = fs::read_to_string(path.join("comm")).unwrap_or_default();
            Holder { program: program.trim().to_owned(), process }
        })
        .collect();
    holders.sort_by_key(|holder| holder.process);
    holders
}

/// The sockets in a table of the kernel's that stand at a port: for TCP, those that listen.
///
/// ```text
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode …
///    0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43210 …
/// ```
fn inodes(table: &str, protocol: Protocol, port: u16) -> Vec<String> {
    const LISTENS: &str = "0A";
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let at = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
        let stands = at == port && (protocol == Protocol::Udp || *state == LISTENS);
        stands.then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// Whether a process has one of the sockets open.
fn holds(process: &Path, inodes: &HashSet<String>) -> bool {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.into_iter().any(|target| {
        let name = target.to_string_lossy();
        let inode = name.strip_prefix("socket:[").and_then(|name| name.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(inode))
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn this_very_program_is_found_to_hold_its_ports() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("[::]:0").unwrap();
        for (protocol, port) in [
            (Protocol::Tcp, tcp.local_addr().unwrap().port()),
            (Protocol::Udp, udp.local_addr().unwrap().port()),
        ] {
            let holders = of(protocol, port);
            assert!(
                holders
                    .iter()
                    .any(|holder| holder.process == std::process::id() && !holder.program.is_empty()),
                "{protocol:?}: {holders:?}"
            );
        }
        drop(tcp);
        assert_eq!(inodes("junk\n1: x:y 2 3\n", Protocol::Tcp, 80), Vec::<String>::new());
    }
}
