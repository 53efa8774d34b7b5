//! What the relay is told to do: as the user writes it ([`Flags`]), and as the relay reads it ([`Options`]).

pub(crate) mod address;
pub(crate) mod ice;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use ipnet::IpNet;
use soundport_core::ingest::EncodeConfig;
use soundport_core::{AudioFormat, FrameLength};

pub(crate) use self::address::{Announce, From, HostPort};
pub(crate) use self::ice::{IceEntry, IceOptions, IceUrl, Secret, Transport, TurnCredentials};

use crate::config::Settings;
use crate::config::mistake::{Mistakes, Place};
use crate::configured::Wanted;

/// The relay's options as a user writes them, each on the command line, as `SOUNDPORT_…` in the environment, or in
/// the file. Values are text here: what cannot be read in them is told as it is of those in the file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// Read further options from this TOML file
    #[arg(long, env = "SOUNDPORT_CONFIG", value_name = "FILE")]
    config: Option<OsString>,

    /// Serve page and API over HTTPS here [default: localhost:8443]
    #[arg(long, env = "SOUNDPORT_HTTPS", value_name = "HOST:PORT")]
    https: Option<String>,

    /// Serve the same without TLS here, on loopback only [default: localhost:8080]
    #[arg(long, env = "SOUNDPORT_HTTP", value_name = "HOST:PORT")]
    http: Option<String>,

    #[arg(
        long,
        help = "Send and receive all WebRTC media here, by UDP [default: [::]:8443]",
        env = "SOUNDPORT_MEDIA",
        value_name = "IP:PORT"
    )]
    media: Option<String>,

    #[arg(
        long,
        help = "Hear containers' RTP here, by UDP [default: [::]:5004]",
        env = "SOUNDPORT_RTP",
        value_name = "IP:PORT"
    )]
    rtp: Option<String>,

    #[arg(
        long,
        help = "Hear containers' announcements (SAP) here, by UDP; `off` for nowhere [default: [::]:9875]",
        env = "SOUNDPORT_SAP",
        value_name = "IP:PORT"
    )]
    sap: Option<String>,

    /// Join the multicast groups that containers announce, so that `load-module module-rtp-send` without arguments is heard
    #[arg(
        long,
        env = "SOUNDPORT_MULTICAST",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    multicast: Option<String>,

    /// Where browsers reach the relay, if not at this host's own addresses: IP or name, and the port if it differs outside
    #[arg(
        long,
        env = "SOUNDPORT_ANNOUNCE",
        value_name = "HOST[:PORT[/udp|/tcp]]",
        num_args = 1..,
        value_delimiter = ','
    )]
    announce: Option<Vec<String>>,

    /// Ask this STUN server for the address by which the outside sees this host, and offer it to browsers as well
    #[arg(long, env = "SOUNDPORT_STUN", value_name = "HOST[:PORT]")]
    stun: Option<String>,

    /// Believe what this reverse proxy says of whom it forwards (X-Forwarded-For, -Prefix): an IP or a network
    #[arg(long = "proxy", env = "SOUNDPORT_PROXIES", value_name = "IP[/BITS]", num_args = 1.., value_delimiter = ',')]
    proxies: Option<Vec<String>>,

    /// Let pages of this origin use the relay, such as `https://desktop.example.org` (pages on localhost may)
    #[arg(long = "origin", env = "SOUNDPORT_ORIGINS", value_name = "ORIGIN", num_args = 1.., value_delimiter = ',')]
    origins: Option<Vec<String>>,

    /// Keep in this folder the minted certificate, and what containers announced [default: certs]
    #[arg(long, env = "SOUNDPORT_CERTS", value_name = "DIR")]
    certs: Option<String>,

    /// Use this certificate (PEM) instead of a minted one; needs --key
    #[arg(long, env = "SOUNDPORT_CERT", value_name = "FILE")]
    cert: Option<String>,

    /// The certificate's private key (PEM)
    #[arg(long, env = "SOUNDPORT_KEY", value_name = "FILE")]
    key: Option<String>,

    /// Opus bit rate in kb/s, 16 to 510 [default: 128]
    #[arg(long, env = "SOUNDPORT_BITRATE", value_name = "KBPS", allow_negative_numbers = true)]
    bitrate: Option<String>,

    /// Sound in one Opus frame, in ms: 5, 10 or 20 [default: 10]
    #[arg(long, env = "SOUNDPORT_FRAME", value_name = "MS", allow_negative_numbers = true)]
    frame: Option<String>,

    /// Play a short loop as the source `demo`
    #[arg(
        long,
        env = "SOUNDPORT_DEMO",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    demo: Option<String>,

    /// Offer the source `echo`, which says back what it hears [default: as --demo]
    #[arg(
        long,
        env = "SOUNDPORT_ECHO",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    echo: Option<String>,

    /// Let listeners talk into every container of which the file does not say otherwise
    #[arg(
        long,
        env = "SOUNDPORT_ALLOW_TALK",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    allow_talk: Option<String>,

    #[command(flatten)]
    ice: IceFlags,

    /// Which of them come from the environment.
    #[arg(skip)]
    environment: Vec<String>,
}

/// The options of `[ice]`.
#[derive(Debug, Clone, Default, Args)]
struct IceFlags {
    /// STUN servers for browsers, such as `stun:stun.example.org:3478`
    #[arg(long = "ice-stun", env = "SOUNDPORT_ICE_STUN", value_name = "URL", num_args = 1.., value_delimiter = ',')]
    ice_stun: Option<Vec<String>>,

    /// TURN servers for browsers, such as `turn:turn.example.org:3478?transport=udp`
    #[arg(long = "ice-turn", env = "SOUNDPORT_ICE_TURN", value_name = "URL", num_args = 1.., value_delimiter = ',')]
    ice_turn: Option<Vec<String>>,

    /// coturn's `static-auth-secret`; others see the command line, so better in the file or the environment
    #[arg(long = "ice-secret", env = "SOUNDPORT_ICE_SECRET", value_name = "TEXT", hide_env_values = true)]
    ice_secret: Option<Secret>,

    /// For how many seconds credentials minted from the secret are good [default: 3600]
    #[arg(
        long = "ice-ttl",
        env = "SOUNDPORT_ICE_TTL",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    ice_ttl: Option<String>,

    /// Who browsers are to the TURN servers, where there is no secret
    #[arg(long = "ice-username", env = "SOUNDPORT_ICE_USERNAME", value_name = "TEXT")]
    ice_username: Option<String>,

    /// The password that belongs to it; others see the command line, so better in the file or the environment
    #[arg(
        long = "ice-credential",
        env = "SOUNDPORT_ICE_CREDENTIAL",
        value_name = "TEXT",
        hide_env_values = true
    )]
    ice_credential: Option<Secret>,

    /// Which ways browsers may take: `all`, or `relay` for TURN alone [default: all]
    #[arg(long = "ice-policy", env = "SOUNDPORT_ICE_POLICY", value_name = "POLICY")]
    ice_policy: Option<String>,
}

/// The relay's options, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) https: HostPort,
    pub(crate) http: HostPort,
    pub(crate) media: SocketAddr,
    pub(crate) rtp: SocketAddr,
    /// Where announcements are heard; none for nowhere.
    pub(crate) sap: Option<SocketAddr>,
    /// Whether groups that containers announce are joined.
    pub(crate) multicast: bool,
    pub(crate) announce: Vec<Announce>,
    /// Who is asked for the relay's outside address.
    pub(crate) stun: Option<IceUrl>,
    /// Whose word is taken on whom they forward.
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) ice: IceOptions,
    pub(crate) origins: Vec<String>,
    pub(crate) certificate: CertificateFiles,
    /// The folder of what the relay keeps.
    pub(crate) kept: PathBuf,
    pub(crate) bitrate_bps: u32,
    pub(crate) frame: FrameLength,
    pub(crate) demo: bool,
    pub(crate) echo: bool,
    /// Whether containers may be talked into of which the file does not say otherwise.
    pub(crate) allow_talk: bool,
    pub(crate) sources: Vec<SourceEntry>,
}

/// Where the HTTPS certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CertificateFiles {
    /// Minted by the relay into this folder.
    Minted(PathBuf),
    /// The user's own.
    Own { cert: PathBuf, key: PathBuf },
}

/// What the user says of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceEntry {
    /// A slug, no other entry's.
    pub(crate) id: String,
    /// Its name for people: never empty, on one line.
    pub(crate) title: String,
    /// Who sends it.
    pub(crate) from: Option<From>,
    /// The UDP port that it is sent to, if not the one for all. Without this and `from`, the entry is for the source that
    /// appears or is announced under its id.
    pub(crate) port: Option<u16>,
    /// What its packets hold, if the user says so.
    pub(crate) format: Option<AudioFormat>,
    /// Bits per second of its Opus, if not as for all.
    pub(crate) bitrate_bps: Option<u32>,
    /// Its frames, if not as for all.
    pub(crate) frame: Option<FrameLength>,
    /// Whether it may be talked into, if not as for all.
    pub(crate) talk: Option<bool>,
    /// Where its microphone is, if not at its sender's address.
    pub(crate) talk_to: Option<From>,
    /// Whether its listeners hear its talkers.
    pub(crate) monitor_talkers: bool,
    /// Whether it has no container.
    pub(crate) room: bool,
}

impl Options {
    /// Reads the file, and adds the defaults. To be called again when the file has changed.
    pub(crate) fn gather(flags: &Flags) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let settings = Settings::gather(flags, &mut mistakes);
        let options = settings.complete(&mut mistakes);
        mistakes.or(options)
    }

    /// What it says of sources.
    pub(crate) fn wanted(&self) -> Wanted {
        let encode = EncodeConfig { frame: self.frame, bitrate_bps: self.bitrate_bps };
        Wanted { sources: self.sources.clone(), encode, allow_talk: self.allow_talk }
    }

    /// The keys in which it differs from `running` so that the relay would have to be started anew; none where it need not.
    pub(crate) fn needs_restart(&self, running: &Self) -> Option<String> {
        let differs = [
            ("https", self.https != running.https),
            ("http", self.http != running.http),
            ("media", self.media != running.media),
            ("rtp", self.rtp != running.rtp),
            ("sap", self.sap != running.sap),
            ("multicast", self.multicast != running.multicast),
            ("proxies", self.proxies != running.proxies),
            ("origins", self.origins != running.origins),
            ("certs, cert and key", self.certificate != running.certificate),
            ("demo", self.demo != running.demo),
            ("echo", self.echo != running.echo),
        ];
        let keys: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
        (!keys.is_empty()).then(|| keys.join(", "))
    }
}

impl Flags {
    /// The file with further options.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref().filter(|path| !path.is_empty()).map(Path::new)
    }

    /// Notes which of them were not typed but found in the environment.
    pub(crate) fn note_environment(&mut self, matches: &ArgMatches) {
        let found = |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::EnvVariable);
        self.environment = matches.ids().filter(found).map(ToString::to_string).collect();
    }

    /// What was given, by key, and where.
    pub(crate) fn given(&self) -> Vec<(&'static str, Place, Vec<String>)> {
        let one = |value: &Option<String>| value.clone().map(|value| vec![value]);
        let secret = |value: &Option<Secret>| value.as_ref().map(|value| vec![value.expose().to_owned()]);
        let all = [
            ("https", one(&self.https)),
            ("http", one(&self.http)),
            ("media", one(&self.media)),
            ("rtp", one(&self.rtp)),
            ("sap", one(&self.sap)),
            ("multicast", one(&self.multicast)),
            ("announce", self.announce.clone()),
            ("stun", one(&self.stun)),
            ("proxies", self.proxies.clone()),
            ("origins", self.origins.clone()),
            ("certs", one(&self.certs)),
            ("cert", one(&self.cert)),
            ("key", one(&self.key)),
            ("bitrate", one(&self.bitrate)),
            ("frame", one(&self.frame)),
            ("demo", one(&self.demo)),
            ("echo", one(&self.echo)),
            ("allow_talk", one(&self.allow_talk)),
            ("ice_stun", self.ice.ice_stun.clone()),
            ("ice_turn", self.ice.ice_turn.clone()),
            ("ice_secret", secret(&self.ice.ice_secret)),
            ("ice_ttl", one(&self.ice.ice_ttl)),
            ("ice_username", one(&self.ice.ice_username)),
            ("ice_credential", secret(&self.ice.ice_credential)),
            ("ice_policy", one(&self.ice.ice_policy)),
        ];
        let place = |key| match self.environment.iter().any(|name| name == key) {
            true => Place::Environment(key),
            false => Place::Flag(key),
        };
        // An empty variable is how compose files write one that is not set.
        let is_set = |place: &Place, values: &[String]| {
            !matches!(place, Place::Environment(_)) || values.iter().any(|value| !value.is_empty())
        };
        let given = all.into_iter().filter_map(|(key, values)| Some((key, place(key), values?)));
        given.filter(|(_, place, values)| is_set(place, values)).collect()
    }
}
