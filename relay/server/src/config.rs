//! From what the user wrote to [`Options`]: command line over environment over file over default. Every mistake is found,
//! each with its place and a remedy.
//!
//! ```text
//! file ─▶ file: TOML, lines ─▶ table ─┐
//! command line, environment ─▶ table ─┴▶ Settings, of each ─▶ one over the other ─▶ complete, compared ─▶ Options
//! ```

mod file;
mod ice;
pub(crate) mod mistake;
mod source;
mod table;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use soundport_core::FrameLength;

pub(crate) use self::table::Given;

use self::ice::abcdesktop::Foreign;
use self::mistake::{Mistakes, Place};
use self::source::Draft;
use self::table::{Table, Value};
use crate::options::{Announce, CertificateFiles, Flags, HostPort, IceUrl, Options, address};

/// What the user wrote, or did not, with places.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    https: Option<Given<HostPort>>,
    http: Option<Given<HostPort>>,
    media: Option<Given<SocketAddr>>,
    rtp: Option<Given<SocketAddr>>,
    sap: Option<Given<Option<SocketAddr>>>,
    multicast: Option<Given<bool>>,
    pub(crate) announce: Option<Given<Vec<Announce>>>,
    pub(crate) stun: Option<Given<IceUrl>>,
    proxies: Option<Given<Vec<IpNet>>>,
    pub(crate) ice: ice::Draft,
    origins: Option<Given<Vec<String>>>,
    pub(crate) certs: Option<Given<PathBuf>>,
    pub(crate) cert: Option<Given<PathBuf>>,
    pub(crate) key: Option<Given<PathBuf>>,
    bitrate_bps: Option<Given<u32>>,
    frame: Option<Given<FrameLength>>,
    demo: Option<Given<bool>>,
    echo: Option<Given<bool>>,
    allow_talk: Option<Given<bool>>,
    pub(crate) sources: Vec<Draft>,
    /// Whether certificate or key are given, but not so that they can be read.
    half_certificate: bool,
}

impl Settings {
    /// Reads command line, environment and file.
    pub(crate) fn gather(flags: &Flags, mistakes: &mut Mistakes) -> Self {
        let own = Self::read(flags_table(flags), mistakes);
        let file = flags.config().and_then(|path| file::read(path, mistakes));
        match file {
            Some(mut file) => {
                let sources = file.tables("source", mistakes);
                let sources = source::read(sources, mistakes);
                Self { sources, ..own.over(Self::read(file, mistakes)) }
            }
            None => own,
        }
    }

    /// Adds the defaults, and compares what depends on each other.
    pub(crate) fn complete(&self, mistakes: &mut Mistakes) -> Options {
        let https = or(self.https.as_ref(), "https", HostPort::new("localhost", 8443));
        let http = or(self.http.as_ref(), "http", HostPort::new("localhost", 8080));
        let media = or(self.media.as_ref(), "media", any_address(8443));
        let rtp = or(self.rtp.as_ref(), "rtp", any_address(5004));
        let sap = or(self.sap.as_ref(), "sap", Some(any_address(9875)));
        let demo = self.demo.as_ref().is_some_and(|demo| demo.value);
        let echo = self.echo.as_ref().map_or(demo, |echo| echo.value);
        compare_http(&https, &http, mistakes);
        let mut udp = vec![(media.value, &media.place), (rtp.value, &rtp.place)];
        udp.extend(sap.value.map(|address| (address, &sap.place)));
        compare_udp(&udp, mistakes);
        let ports: Vec<_> = udp.iter().map(|(address, place)| (address.port(), *place)).collect();
        source::compare(&self.sources, &ports, demo, mistakes);
        Options {
            https: https.value,
            http: http.value,
            media: media.value,
            rtp: rtp.value,
            sap: sap.value,
            multicast: self.multicast.as_ref().is_some_and(|multicast| multicast.value),
            announce: self.announce(),
            stun: self.stun.as_ref().map(|stun| stun.value.clone()),
            proxies: self.proxies.as_ref().map(|proxies| proxies.value.clone()).unwrap_or_default(),
            ice: self.ice.complete(mistakes),
            origins: self.origins.as_ref().map(|origins| origins.value.clone()).unwrap_or_default(),
            certificate: self.certificate(mistakes),
            kept: self.kept(),
            bitrate_bps: self.bitrate_bps.as_ref().map_or(128_000, |bitrate| bitrate.value),
            frame: self.frame.as_ref().map_or(FrameLength::Ms10, |frame| frame.value),
            demo,
            echo,
            allow_talk: self.allow_talk.as_ref().is_some_and(|allow| allow.value),
            sources: self.sources.iter().filter_map(Draft::entry).collect(),
        }
    }

    fn read(mut table: Table, mistakes: &mut Mistakes) -> Self {
        let path = |text: &str| match text {
            "" => Err("names no file; write its path".to_owned()),
            path => Ok(PathBuf::from(path)),
        };
        let mut settings = Self {
            https: table.text("https", "\"localhost:8443\"", mistakes, str::parse),
            http: table.text("http", "\"localhost:8080\"", mistakes, str::parse),
            media: table.text("media", "\"[::]:8443\"", mistakes, address::socket_address),
            rtp: table.text("rtp", "\"[::]:5004\"", mistakes, address::socket_address),
            sap: table.text("sap", "\"[::]:9875\"", mistakes, sap),
            multicast: table.truth("multicast", mistakes),
            announce: table.texts("announce", "\"sound.example.org\"", mistakes, str::parse),
            stun: table.text("stun", "\"stun.example.org:3478\"", mistakes, IceUrl::plain_stun),
            proxies: table.texts("proxies", "\"127.0.0.1\"", mistakes, address::network),
            origins: table.texts("origins", "\"https://desktop.example.org\"", mistakes, address::origin),
            certs: table.text("certs", "\"certs\"", mistakes, path),
            cert: table.text("cert", "\"cert.pem\"", mistakes, path),
            key: table.text("key", "\"key.pem\"", mistakes, path),
            bitrate_bps: table.whole("bitrate", "128", mistakes, source::bitrate),
            frame: table.whole("frame", "10", mistakes, source::frame),
            demo: table.truth("demo", mistakes),
            echo: table.truth("echo", mistakes),
            allow_talk: table.truth("allow_talk", mistakes),
            ..Self::default()
        };
        let ice = table.table("ice", mistakes);
        let foreign = Foreign::read(&mut table, mistakes);
        settings.ice = ice::Draft::read(ice, foreign, mistakes);
        settings.half_certificate =
            (settings.cert.is_none() && table.had("cert")) || (settings.key.is_none() && table.had("key"));
        table.finish(mistakes);
        settings
    }

    fn over(self, file: Self) -> Self {
        Self {
            https: self.https.or(file.https),
            http: self.http.or(file.http),
            media: self.media.or(file.media),
            rtp: self.rtp.or(file.rtp),
            sap: self.sap.or(file.sap),
            multicast: self.multicast.or(file.multicast),
            announce: self.announce.or(file.announce),
            stun: self.stun.or(file.stun),
            proxies: self.proxies.or(file.proxies),
            ice: self.ice.over(file.ice),
            origins: self.origins.or(file.origins),
            certs: self.certs.or(file.certs),
            cert: self.cert.or(file.cert),
            key: self.key.or(file.key),
            bitrate_bps: self.bitrate_bps.or(file.bitrate_bps),
            frame: self.frame.or(file.frame),
            demo: self.demo.or(file.demo),
            echo: self.echo.or(file.echo),
            allow_talk: self.allow_talk.or(file.allow_talk),
            sources: file.sources,
            half_certificate: self.half_certificate || file.half_certificate,
        }
    }

    /// What is announced, each once.
    fn announce(&self) -> Vec<Announce> {
        let mut all = Vec::new();
        for announce in self.announce.iter().flat_map(|given| &given.value) {
            if !all.contains(announce) {
                all.push(announce.clone());
            }
        }
        all
    }

    fn certificate(&self, mistakes: &mut Mistakes) -> CertificateFiles {
        match (&self.cert, &self.key) {
            _ if self.half_certificate => {}
            (Some(cert), Some(key)) => {
                return CertificateFiles::Own { cert: cert.value.clone(), key: key.value.clone() };
            }
            (Some(cert), None) => {
                mistakes.add(&cert.place, "stands alone; name the certificate's private key as well (--key)");
            }
            (None, Some(key)) => {
                mistakes.add(&key.place, "stands alone; name the key's certificate as well (--cert)");
            }
            (None, None) => {}
        }
        CertificateFiles::Minted(self.kept())
    }

    /// The folder of what the relay keeps.
    fn kept(&self) -> PathBuf {
        self.certs.as_ref().map_or_else(|| "certs".into(), |certs| certs.value.clone())
    }
}

/// What was written on the command line and in the environment.
fn flags_table(flags: &Flags) -> Table {
    let mut table = Table::new(Place::Default(""), "");
    let mut ice = None;
    for (key, place, values) in flags.given() {
        let value = match (key, values) {
            ("announce" | "origins" | "proxies" | "ice_stun" | "ice_turn", values) => Value::List(
                values.into_iter().map(|text| Given::new(Value::Text(text), place.clone())).collect(),
            ),
            (_, values) => Value::Text(values.into_iter().next_back().unwrap_or_default()),
        };
        match key.strip_prefix("ice_") {
            Some(key) => {
                ice.get_or_insert_with(|| Table::new(Place::Default("ice"), "")).insert(key, value, place)
            }
            None => table.insert(key, value, place),
        }
    }
    if let Some(ice) = ice {
        table.insert("ice", Value::Table(ice), Place::Default("ice"));
    }
    table
}

fn or<T: Clone>(given: Option<&Given<T>>, key: &'static str, default: T) -> Given<T> {
    given.cloned().unwrap_or_else(|| Given::new(default, Place::Default(key)))
}

fn sap(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    address::socket_address(text).map(Some).map_err(|what| format!("{what}, or off"))
}

fn compare_http(https: &Given<HostPort>, http: &Given<HostPort>, mistakes: &mut Mistakes) {
    if !http.value.is_loopback() {
        let what = format!(
            "{} is not a loopback address; plain HTTP stays on this machine, open https instead",
            http.value
        );
        mistakes.add(&http.place, what);
    } else if https.value.clashes(&http.value) {
        let (given, other) = later(https, http);
        let what = format!("{} is taken by {}; choose another port", given.value, other.place.in_passing());
        mistakes.add(&given.place, what);
    }
}

fn compare_udp(addresses: &[(SocketAddr, &Place)], mistakes: &mut Mistakes) {
    for (n, (address, place)) in addresses.iter().enumerate() {
        for (other, taken) in &addresses[..n] {
            let any = address.ip().is_unspecified() || other.ip().is_unspecified();
            let same = any || address.ip().to_canonical() == other.ip().to_canonical();
            if address.port() == other.port() && address.port() != 0 && same {
                let (given, taken) = if place.is_default() { (taken, place) } else { (place, taken) };
                let what =
                    format!("port {} is taken by {}; choose another", address.port(), taken.in_passing());
                mistakes.add(given, what);
            }
        }
    }
}

/// Both, the one that the user wrote first.
fn later<'a, T>(one: &'a Given<T>, other: &'a Given<T>) -> (&'a Given<T>, &'a Given<T>) {
    if other.place.is_default() { (one, other) } else { (other, one) }
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

#[cfg(test)]
mod tests;
