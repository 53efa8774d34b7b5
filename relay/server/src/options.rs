//! What the relay is told to do: command line over environment over file over default.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Deserialize;
use soundport_core::FrameLength;

/// The relay's options as a user writes them, each on the command line, as `SOUNDPORT_…` in the environment, or in
/// the file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Flags {
    /// Read further options from this TOML file
    #[arg(long, env = "SOUNDPORT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// Serve page and API over HTTPS here [default: localhost:8443]
    #[arg(long, env = "SOUNDPORT_HTTPS", value_name = "HOST:PORT")]
    https: Option<HostPort>,

    /// Serve the same without TLS here, on loopback only [default: localhost:8080]
    #[arg(long, env = "SOUNDPORT_HTTP", value_name = "HOST:PORT")]
    http: Option<HostPort>,

    #[arg(
        long,
        help = "Send and receive all WebRTC media here, by UDP [default: [::]:8443]",
        env = "SOUNDPORT_MEDIA",
        value_name = "IP:PORT"
    )]
    media: Option<SocketAddr>,

    #[arg(
        long,
        help = "Hear containers' RTP here, by UDP [default: [::]:5004]",
        env = "SOUNDPORT_RTP",
        value_name = "IP:PORT"
    )]
    rtp: Option<SocketAddr>,

    /// Where browsers reach the media port, if not at this host's own addresses: IP or name, and the port if it differs
    #[arg(long, env = "SOUNDPORT_ANNOUNCE", value_name = "HOST[:PORT]", num_args = 1.., value_delimiter = ',')]
    announce: Option<Vec<Announce>>,

    /// Let pages of this origin use the relay, such as `https://desktop.example.org` (pages on localhost may)
    #[arg(long = "origin", env = "SOUNDPORT_ORIGINS", value_name = "ORIGIN", num_args = 1.., value_delimiter = ',')]
    origins: Option<Vec<String>>,

    /// Keep the minted certificate in this folder [default: certs]
    #[arg(long, env = "SOUNDPORT_CERTS", value_name = "DIR")]
    certs: Option<PathBuf>,

    /// Use this certificate (PEM) instead of a minted one; needs --key
    #[arg(long, env = "SOUNDPORT_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, env = "SOUNDPORT_KEY", value_name = "FILE")]
    key: Option<PathBuf>,

    /// Opus bit rate in kb/s, 16 to 510 [default: 128]
    #[arg(long, env = "SOUNDPORT_BITRATE", value_name = "KBPS")]
    bitrate: Option<u32>,

    /// Sound in one Opus frame, in ms: 5, 10 or 20 [default: 10]
    #[arg(long, env = "SOUNDPORT_FRAME", value_name = "MS")]
    frame: Option<u32>,

    /// Play a short loop as the source `demo`
    #[arg(long, env = "SOUNDPORT_DEMO", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    demo: Option<bool>,
}

/// The relay's options, complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) sap: Option<SocketAddr>,
    pub(crate) multicast: bool,
    pub(crate) sources: Vec<SourceEntry>,
    pub(crate) https: HostPort,
    pub(crate) http: HostPort,
    pub(crate) media: SocketAddr,
    pub(crate) rtp: SocketAddr,
    pub(crate) announce: Vec<Announce>,
    pub(crate) origins: Vec<String>,
    pub(crate) certificate: CertificateFiles,
    pub(crate) bitrate_bps: u32,
    pub(crate) frame: FrameLength,
    pub(crate) demo: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct From {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceEntry {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) from: Option<From>,
    pub(crate) port: Option<u16>,
    pub(crate) format: Option<soundport_core::AudioFormat>,
    pub(crate) bitrate_bps: Option<u32>,
    pub(crate) frame: Option<FrameLength>,
}
impl Options {
    pub(crate) fn wanted(&self) -> crate::configured::Wanted {
        crate::configured::Wanted {
            sources: self.sources.clone(),
            encode: soundport_core::ingest::EncodeConfig { frame: self.frame, bitrate_bps: self.bitrate_bps },
        }
    }
    pub(crate) fn needs_restart(&self, _: &Self) -> Option<String> {
        None
    }
}
/// Where the HTTPS certificate is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CertificateFiles {
    /// Minted by the relay into this folder.
    Minted(PathBuf),
    /// The user's own.
    Own { cert: PathBuf, key: PathBuf },
}

impl Options {
    /// Adds to the flags what the file and the defaults say.
    pub(crate) fn gather(flags: Flags) -> anyhow::Result<Self> {
        let flags = match &flags.config {
            Some(path) => {
                let file = Flags::read(path)?;
                flags.over(file)
            }
            None => flags,
        };
        flags.complete()
    }
}

impl Flags {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("Failed to read the configuration {} (--config)", path.display()))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let number = before.matches('\n').count() + 1;
            let line = text.lines().nth(number - 1).unwrap_or_default().trim();
            let what = error.message().lines().next().unwrap_or_default().to_owned();
            anyhow::anyhow!("{} line {number}, {line}: {what}", path.display())
        })
    }

    fn over(self, file: Self) -> Self {
        Self {
            config: self.config,
            https: self.https.or(file.https),
            http: self.http.or(file.http),
            media: self.media.or(file.media),
            rtp: self.rtp.or(file.rtp),
            announce: self.announce.or(file.announce),
            origins: self.origins.or(file.origins),
            certs: self.certs.or(file.certs),
            cert: self.cert.or(file.cert),
            key: self.key.or(file.key),
            bitrate: self.bitrate.or(file.bitrate),
            frame: self.frame.or(file.frame),
            demo: self.demo.or(file.demo),
        }
    }

    fn complete(self) -> anyhow::Result<Options> {
        let http = self.http.unwrap_or_else(|| HostPort::new("localhost", 8080));
        ensure!(
            http.is_loopback(),
            "--http {http} is not a loopback address: plain HTTP stays on this machine, open --https instead"
        );
        let bitrate = self.bitrate.unwrap_or(128);
        ensure!((16..=510).contains(&bitrate), "--bitrate {bitrate} is out of range: give 16 to 510 kb/s");
        Ok(Options {
            sap: Some(any_address(9875)),
            multicast: std::env::var_os("SOUNDPORT_MULTICAST").is_some(),
            sources: Vec::new(),
            https: self.https.unwrap_or_else(|| HostPort::new("localhost", 8443)),
            http,
            media: self.media.unwrap_or_else(|| any_address(8443)),
            rtp: self.rtp.unwrap_or_else(|| any_address(5004)),
            announce: self.announce.unwrap_or_default(),
            origins: self.origins.unwrap_or_default(),
            certificate: certificate_files(self.certs, self.cert, self.key)?,
            bitrate_bps: bitrate * 1000,
            frame: frame_length(self.frame.unwrap_or(10))?,
            demo: self.demo.unwrap_or(false),
        })
    }
}

fn certificate_files(
    certs: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> anyhow::Result<CertificateFiles> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(CertificateFiles::Own { cert, key }),
        (None, None) => Ok(CertificateFiles::Minted(certs.unwrap_or_else(|| "certs".into()))),
        (Some(_), None) => bail!("--cert is given without --key: give the certificate's private key as well"),
        (None, Some(_)) => bail!("--key is given without --cert: give the key's certificate as well"),
    }
}

fn frame_length(millis: u32) -> anyhow::Result<FrameLength> {
    match millis {
        5 => Ok(FrameLength::Ms5),
        10 => Ok(FrameLength::Ms10),
        20 => Ok(FrameLength::Ms20),
        other => bail!("--frame {other} is not an Opus frame length: give 5, 10 or 20 (ms)"),
    }
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), port)
}

/// A host name or IP with a port, such as `localhost:8443` or `[::]:8443`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// The addresses it stands for. A name may stand for several.
    pub(crate) fn resolve(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<_> = (bare, self.port)
            .to_socket_addrs()
            .with_context(|| {
                format!("Failed to resolve {self}: give an IP address, or a name that this host knows")
            })?
            .collect();
        ensure!(!found.is_empty(), "{self} stands for no address: give an IP address instead");
        Ok(found)
    }

    fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("a port is missing: write HOST:PORT")?;
        let port = port.parse().map_err(|_| format!("{port} is not a port (0 to 65535)"))?;
        if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
            return Err("write HOST:PORT, an IPv6 address in brackets".into());
        }
        Ok(Self::new(host, port))
    }
}

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Where browsers reach the media port: an IP or a name, with the outside port if it differs from the inside one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Announce {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl FromStr for Announce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains("//") {
            return Err("write HOST or HOST:PORT, without a scheme".into());
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Ok(Self { host: bare.to_owned(), port: None });
        }
        match text.rsplit_once(':') {
            None => Ok(Self { host: text.to_owned(), port: None }),
            Some((host, port)) => {
                let port = port.parse().map_err(|_| format!("{port} is not a port (0 to 65535)"))?;
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Ok(Self { host, port: Some(port) })
            }
        }
    }
}

impl TryFrom<String> for Announce {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_goes_over_the_file() {
        let file: Flags = toml::from_str(
            "https = \"[::]:9443\"\nbitrate = 96\nannounce = [\"a.example\", \"192.0.2.1:7000\"]",
        )
        .unwrap();
        let flags = Flags { bitrate: Some(64), ..Flags::default() };
        let options = flags.over(file).complete().unwrap();
        assert_eq!(options.bitrate_bps, 64_000);
        assert_eq!(options.https.to_string(), "[::]:9443");
        assert_eq!(options.announce[1], Announce { host: "192.0.2.1".into(), port: Some(7000) });
    }

    #[test]
    fn the_example_file_holds_every_key_with_its_default() {
        let text = include_str!("../../../deploy/soundport.example.toml");
        let example = toml::from_str::<Flags>(text).unwrap().complete().unwrap();
        let default = Flags::default().complete().unwrap();
        assert_eq!(format!("{example:?}"), format!("{default:?}"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<Flags>("htps = \"[::]:9443\"").unwrap_err().to_string();
        assert!(error.contains("htps"), "{error}");
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for good in ["localhost:8443", "[::]:8443", "127.0.0.1:0", "sound.example.org:443"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        for bad in ["8443", "localhost", "::1:80", "localhost:99999", ":80"] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
        let v6: Announce = "2001:db8::1".parse().unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("2001:db8::1", None));
        let v6: Announce = "[2001:db8::1]:7000".parse().unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("2001:db8::1", Some(7000)));
    }

    #[test]
    fn plain_http_stays_at_home() {
        let flags = Flags { http: Some("0.0.0.0:8080".parse().unwrap()), ..Flags::default() };
        assert!(flags.complete().unwrap_err().to_string().contains("loopback"));
    }
}
