use std::time::Duration;

use anyhow::{Context, Result};
use soundport_api::{Source, TalkbackState};

use crate::{
    AudioServer, Container, Events, Network, Process, Relay, RelayOptions, Site, SpeechOptions, WhipClient,
    wait_for,
};

const LIMIT: Duration = Duration::from_secs(15);

/// A container that may be talked into: its audio server has a virtual microphone, and sends to a relay of its own.
#[derive(Debug)]
pub struct Callee {
    server: Option<AudioServer>,
    receiver: Option<Process>,
    container: Container,
    relay: Relay,
    events: Events,
    id: String,
    network: Network,
}

impl Callee {
    /// One with stock `PulseAudio`.
    ///
    /// # Errors
    /// When a part cannot be started.
    pub fn pulse_audio() -> Result<Self> {
        Self::pulse_audio_with(&["--allow-talk"])
    }

    /// One with stock `PulseAudio`, and a relay with these arguments.
    ///
    /// # Errors
    /// When a part cannot be started.
    pub fn pulse_audio_with(arguments: &[&str]) -> Result<Self> {
        Self::with(&arguments_of(arguments), |container| Ok((microphone(container)?, None)))
    }

    /// One with stock `PulseAudio` behind the relay's host of a site, and a relay there with these options.
    ///
    /// # Errors
    /// When a part cannot be started.
    pub fn at(site: &Site, options: &RelayOptions<'_>) -> Result<Self> {
        site.relay().inside(|| Self::with(options, |container| Ok((microphone(container)?, None))))
    }

    /// One with stock `PipeWire`.
    ///
    /// # Errors
    /// When a part cannot be started.
    pub fn pipewire() -> Result<Self> {
        Self::with(&arguments_of(&["--allow-talk"]), |container| {
            let server = AudioServer::pipewire(container)?;
            let receiver = server.pipewire_microphone(container)?;
            Ok((server, Some(receiver)))
        })
    }

    /// Its audio server.
    ///
    /// # Errors
    /// When it was killed.
    pub fn server(&self) -> Result<&AudioServer> {
        self.server.as_ref().context("the container's audio server was killed")
    }

    /// Its relay.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Its id as a source.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Connects a talker, and waits until what it says arrives.
    ///
    /// # Errors
    /// When it does not.
    pub fn talk(&self, options: SpeechOptions) -> Result<WhipClient> {
        let client = WhipClient::talk(self.relay.http(), &self.id, options)?;
        self.wait_way(TalkbackState::Open)?;
        Ok(client)
    }

    /// Waits until the way into it is as wanted, and returns what the relay says of it.
    ///
    /// # Errors
    /// When it is not within a while.
    pub fn wait_way(&self, state: TalkbackState) -> Result<Source> {
        let is = |source: &Source| source.talkback.as_ref().is_some_and(|talkback| talkback.state == state);
        self.events.wait_source(&self.id, &format!("{state:?} to talkers"), LIMIT, is)
    }

    /// Waits until so many are connected to talk.
    ///
    /// # Errors
    /// When there are others.
    pub fn wait_talkers(&self, count: usize) -> Result<()> {
        let has = |source: &Source| source.talkback.as_ref().is_some_and(|all| all.talkers.len() == count);
        self.events.wait_source(&self.id, &format!("talked to by {count}"), LIMIT, has).map(|_| ())
    }

    /// Kills its audio server, without a goodbye.
    pub fn kill_server(&mut self) {
        self.server = None;
        self.receiver = None;
    }

    /// Starts `PulseAudio` again in the same container.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn revive_server(&mut self) -> Result<()> {
        let server = microphone(&self.container)?;
        send(&server, &self.network, &self.relay)?;
        self.server = Some(server);
        Ok(())
    }

    fn with(
        options: &RelayOptions<'_>,
        start: impl FnOnce(&Container) -> Result<(AudioServer, Option<Process>)>,
    ) -> Result<Self> {
        let network = Network::start()?;
        let container = network.container("desktop")?;
        let relay = Relay::with(&RelayOptions { network: Some(&network), ..options.clone() })?;
        let (server, receiver) = start(&container)?;
        send(&server, &network, &relay)?;
        let events = Events::subscribe(relay.http())?;
        // PipeWire's answer to PulseAudio's module announces to a group: by unicast alone it has no name.
        let places = || Ok(events.sources().into_iter().find(|source| source.id != "echo"));
        let id = wait_for("a source", LIMIT, places)?.id;
        events.wait_source(&id, "there", LIMIT, |source| source.format.is_some())?;
        Ok(Self { server: Some(server), receiver, container, relay, events, id, network })
    }
}

fn arguments_of(arguments: &[&str]) -> RelayOptions<'static> {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    RelayOptions { arguments, ..RelayOptions::default() }
}

fn microphone(container: &Container) -> Result<AudioServer> {
    let server = AudioServer::pulse_audio(Some(container))?;
    server.microphone("0.0.0.0")?;
    Ok(server)
}

fn send(server: &AudioServer, network: &Network, relay: &Relay) -> Result<()> {
    let (host, port) = (network.host(), relay.rtp().port());
    let module = format!("module-rtp-send source=out.monitor destination_ip={host} port={port} mtu=972");
    server.load(&module).map(|_| ())
}
