//! The relay as a whole: opens everything, wires it together, says where it is, and runs until told to stop.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use soundport_api as api;
use soundport_core::SourceId;
use soundport_core::fanout::Fanout;
use soundport_core::ingest::{EncodeConfig, Ingest, IngestConfig, RtpPort, SenderAddr};
use soundport_core::talkback::Talkback;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info};

use crate::built_in::BuiltIn;
use crate::config::mistake::Mistakes;
use crate::demo::Demo;
use crate::echo::Echo;
use crate::http::accept::Doorman;
use crate::http::events::Events;
use crate::http::forwarded::Proxies;
use crate::http::ogg::OggStreams;
use crate::http::stream::Streams;
use crate::ice::{self, Ice};
use crate::ingest::IngestThread;
use crate::memory::Memory;
use crate::network::{Listening, Network, hint};
use crate::options::Options;
use crate::reload::{self, Changing};
use crate::talkback::{TalkNews, TalkbackThread};
use crate::{certificates, configured, directory, discovery, fanout, http, udp};

/// Sessions served at once. Each takes about 66 kB, so this is where a small machine's memory ends.
const MAX_SESSIONS: usize = 10_000;

/// How long containers' goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// More files than sessions and event streams can take.
const MAX_FILES: u64 = 65_536;

/// Runs until SIGINT or SIGTERM. `read_again` gathers the options anew, when SIGHUP asks for it.
pub(crate) fn run(
    options: Options,
    read_again: impl Fn() -> Result<Options, Mistakes> + Send + 'static,
) -> anyhow::Result<()> {
    raise_file_limit();
    // Everything that a user may have got wrong comes first, so that nothing runs half.
    let https = http::bind(&options.https, "--https")?;
    let plain = http::bind(&options.http, "--http")?;
    let media = udp::bind(options.media, "--media")?;
    let rtp = udp::bind(options.rtp, "--rtp")?;
    let sap = options.sap.map(|sap| udp::bind_shared(sap, "--sap")).transpose()?;
    let tls = certificates::load(&options.certificate)?;
    let listening = Listening {
        media: media.local_addr().context("Failed to find the media port")?,
        https: https.iter().filter_map(|listener| listener.local_addr().ok()).collect(),
    };
    let rtp_address = rtp.local_addr().context("Failed to find the RTP port")?;

    let encode = EncodeConfig { frame: options.frame, bitrate_bps: options.bitrate_bps };
    let config = IngestConfig { encode, port: RtpPort(rtp_address.port()), multicast: options.multicast };
    let mut ingest = Ingest::new(config);
    // Senders that play already must meet the configuration, not be named before it.
    ingest.reserve(configured::rooms(&options.sources));
    ingest.configure(configured::without_names(&options.sources), Instant::now());
    let demo = options.demo.then(|| BuiltIn::new(rtp_address)).transpose()?.map(Demo);
    let echo = options.echo.then(|| BuiltIn::new(rtp_address)).transpose()?.map(Echo);
    let mut built_in = HashMap::new();
    if let Some(Demo(demo)) = &demo {
        ingest.pin(SenderAddr(demo.address()?), SourceId::new("demo"), "Demo", Instant::now());
        built_in.insert(SourceId::new("demo"), None);
    }
    if let Some(Echo(echo)) = &echo {
        ingest.pin(SenderAddr(echo.address()?), SourceId::new("echo"), "Echo", Instant::now());
        built_in.insert(SourceId::new("echo"), Some(echo.address()?));
    }

    let fanout = Fanout::new(MAX_SESSIONS, seed()?).context("Failed to mint the DTLS certificate")?;
    let ingest_thread = IngestThread::new()?;
    let ingest_handle = ingest_thread.handle();
    let talkback_thread = TalkbackThread::new()?;
    let talkback = talkback_thread.handle();
    let fanout = fanout::start(fanout, media, ingest_thread.handle(), talkback.clone())?;
    let (publish, known) = watch::channel(Arc::from([]));
    ingest_thread.start(ingest, rtp, options.multicast, (fanout.clone(), talkback.clone()), publish)?;
    let (publish, news) = watch::channel(TalkNews::default());
    let machine = Talkback::new(seed()?, Instant::now());
    talkback_thread.start(machine, fanout.clone(), ingest_handle.clone(), publish)?;
    let memory = Memory::load(&options.kept);
    let sap = sap.map(|sap| discovery::start(sap, memory, ingest_handle.clone())).transpose()?;
    if let Some(demo) = demo {
        demo.play()?;
    }
    if let Some(echo) = echo {
        echo.listen()?;
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("Failed to start the HTTP runtime")?;
    runtime.block_on(async {
        let (relay, relay_now) = watch::channel(api::Relay {
            instance: instance()?,
            ice: !options.ice.servers.is_empty(),
            announced: !options.announce.is_empty(),
            ..api::Relay::default()
        });
        let (wanted, wanted_now) = watch::channel(Arc::new(options.wanted()));
        let (announce, announce_now) = watch::channel(options.announce.clone().into());
        let (ice, ice_now) = watch::channel(Arc::new(options.ice.clone()));
        let (stun, stun_now) = watch::channel(options.stun.clone());
        let inputs = ice::Inputs { options: ice_now, stun: stun_now, announce: announce_now.clone() };
        let (servers, outside) = Ice::start(inputs, relay.clone());
        let (allow, permissions) = watch::channel(Arc::default());
        let (publish, sources) = watch::channel(Arc::from([]));
        let (talk, talkable) = watch::channel(Arc::default());
        let outputs = directory::Outputs { sources: publish, talkable: talk, talkback: talkback.clone() };
        let inputs = directory::Inputs { known, news, permissions, built_in };
        let streams = Streams::default();
        let ogg = OggStreams::default();
        let doorman = Doorman::new(tls, fanout.clone());
        let state = http::State {
            fanout,
            doorman: doorman.clone(),
            sources: sources.clone(),
            events: Events::start(relay_now, sources, ingest_handle.clone()),
            ingest: ingest_handle.clone(),
            talkback: talkback.clone(),
            talkable,
            sap,
            network: Network::new(listening.clone(), announce_now, outside),
            ice: servers,
            proxies: Proxies::new(&options.proxies),
            streams: streams.clone(),
            rtp_port: RtpPort(rtp_address.port()),
            ogg: ogg.clone(),
        };
        let router = http::router(state, &options.origins);
        let local = http::local_only(router.clone(), &options.origins);
        tokio::spawn(configured::keep(wanted_now, ingest_handle, allow));
        tokio::spawn(directory::keep(inputs, outputs));
        let is_unannounced = options.announce.is_empty() && options.stun.is_none();
        let changing = Changing { wanted, announce, ice, stun, relay };
        let reloading = tokio::spawn(reload::on_hangup(options, read_again, changing));
        greet(&plain, &https, rtp_address.port());
        if is_unannounced {
            hint::say(&listening);
        }
        let mut servers = JoinSet::new();
        for listener in https {
            servers.spawn(http::serve(listener, Some(doorman.clone()), router.clone()));
        }
        for listener in plain {
            servers.spawn(http::serve(listener, None, local.clone()));
        }
        let ended = tokio::select! {
            Some(ended) = servers.join_next() => ended.context("The HTTP server ended")?,
            ended = reloading => ended.context("The configuration is no longer watched")?,
            stopped = stop() => stopped,
        };
        // Containers are told, so that they do not keep a dead microphone, and streams; one moment is enough, or too much is wrong.
        let goodbyes = async { tokio::join!(talkback.stop(), streams.stop(), ogg.stop()) };
        let _ = tokio::time::timeout(GOODBYE, goodbyes).await;
        ended
    })
}

async fn stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("Failed to wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Failed to wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("Stopping");
    Ok(())
}

fn greet(plain: &[TcpListener], https: &[TcpListener], rtp_port: u16) {
    let mut out = std::io::stdout();
    let port =
        |listeners: &[TcpListener]| listeners.first().and_then(|l| l.local_addr().ok()).map(|a| a.port());
    // Nobody reads it where stdout is closed.
    let _ = writeln!(
        out,
        "Soundport is ready.\n  On this machine   http://localhost:{}\n  With TLS          https://{}\n  Containers send   RTP to port {rtp_port}",
        port(plain).unwrap_or_default(),
        https.first().and_then(|l| l.local_addr().ok()).map_or_else(String::new, |address| {
            // No browser can open `[::]`.
            if address.ip().is_loopback() || address.ip().is_unspecified() {
                format!("localhost:{}", address.port())
            } else {
                address.to_string()
            }
        }),
    );
    let _ = out.flush();
}

/// Every page that is open holds a connection, and the usual limit is a thousand: as many files as the system lets us.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard.min(MAX_FILES), hard));
    if let Err(error) = raised {
        debug!(%error, "The limit of open files stays as it is");
    }
}

/// A name for this run.
fn instance() -> anyhow::Result<String> {
    let number = getrandom::u64().context("Failed to draw random numbers")?;
    Ok(format!("{number:016x}"))
}

fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("Failed to draw random numbers")?;
    Ok(seed)
}
