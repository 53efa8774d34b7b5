use std::process::Command;

use anyhow::Result;

use super::{AudioServer, PIPEWIRE_LIMIT, private};
use crate::{Container, Process, Recorder, wait_until};

/// A microphone that appears in what apps may choose, and what is played to `micsink` is heard by it.
const MICROPHONE: [&str; 2] = [
    "module-null-sink sink_name=micsink rate=48000 channels=2",
    "module-remap-source master=micsink.monitor source_name=mic",
];

impl AudioServer {
    /// A virtual microphone `mic` in `PulseAudio`, the default one, that hears what the relay sends: the recipe of stock
    /// parts. Returns the receiver's module.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn microphone(&self, sap_address: &str) -> Result<u32> {
        self.silent_microphone()?;
        self.receiver(sap_address)
    }

    /// What of [`Self::microphone`] hears the relay: without it there is a microphone that hears nothing.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn receiver(&self, sap_address: &str) -> Result<u32> {
        self.load(&format!("module-rtp-recv sink=micsink sap_address={sap_address} latency_msec=60"))
    }

    /// A virtual microphone `mic` that hears what is played to the sink `micsink`, the default one.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn silent_microphone(&self) -> Result<()> {
        for module in MICROPHONE {
            self.load(module)?;
        }
        // In PipeWire it can be chosen once WirePlumber has seen it.
        wait_until("the microphone", PIPEWIRE_LIMIT, || {
            self.pactl(&["set-default-sink", "out"])?;
            self.pactl(&["set-default-source", "mic"])?;
            Ok(self.pactl(&["get-default-source"])?.trim() == "mic")
        })
        .map(|_| ())
    }

    /// The same in `PipeWire`, by its own receiver; it is deaf when the process ends.
    ///
    /// # Errors
    /// When it does not come.
    pub fn pipewire_microphone(&self, inside: &Container) -> Result<Process> {
        const RECEIVER: &str = r#"{ sap.ip = "0.0.0.0" sess.latency.msec = 60
            stream.props = { media.class = "Stream/Output/Audio" target.object = "micsink" node.target = "micsink" } }"#;
        self.silent_microphone()?;
        let mut command = inside.command("nice");
        private(&mut command, &self.folder);
        command.args(["-n", "-11", "pw-cli", "-m", "load-module", "libpipewire-module-rtp-source", RECEIVER]);
        Process::start("pw-cli", &mut command)
    }

    /// `parec` at the microphone `mic`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn parec(&self) -> Result<Recorder> {
        self.parec_of("mic")
    }

    /// `parec` at any source, such as `out.monitor`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn parec_of(&self, source: &str) -> Result<Recorder> {
        let mut command = self.client("parec");
        command.args(["--raw", "--format=s16le", "--rate=48000", "--channels=2", "--latency-msec=20", "-d"]);
        Recorder::start("parec", command.arg(source))
    }

    /// `arecord -D pulse`: an app that knows ALSA alone, at the default microphone.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn arecord(&self) -> Result<Recorder> {
        let mut command = self.client("arecord");
        Recorder::start("arecord", alsa(&mut command))
    }

    /// `pw-record` at the microphone `mic`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn pw_record(&self) -> Result<Recorder> {
        let mut command = self.client("pw-record");
        command.args(["--target", "mic", "--format", "s16", "--rate", "48000", "--channels", "2", "-"]);
        Recorder::start("pw-record", &mut command)
    }
}

fn alsa(command: &mut Command) -> &mut Command {
    command.args(["-q", "-D", "pulse", "-f", "S16_LE", "-r", "48000", "-c", "2", "-t", "raw"])
}
