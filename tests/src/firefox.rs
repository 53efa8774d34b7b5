use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{AudioServer, Process, Recording, wait_for, wait_until};

const START_LIMIT: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(20);
/// What a fresh profile would otherwise ask the user and the network; and media by loopback, which it avoids where there
/// are other ways.
const PREFERENCES: &str = r#"user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;

/// Records what the browser itself takes from the microphone, beside what the page does with it.
const CAPTURE: &str = r#"window.capture = { rate: 0, chunks: [] };
const module = `registerProcessor("capture", class extends AudioWorkletProcessor {
  constructor() { super(); this.frames = new Float32Array(4096); this.length = 0; }
  process([input]) {
    for (let at = 0; at < 128; at += 1) {
      this.frames[this.length++] = input[0] ? input[0][at] : 0;
      this.frames[this.length++] = input[0] ? (input[1] ?? input[0])[at] : 0;
    }
    if (this.length === 4096) { this.port.postMessage(this.frames.slice()); this.length = 0; }
    return true;
  }
});`;
(async () => {
  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 2 };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
  const context = new AudioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "capture", { channelCount: 2, channelCountMode: "explicit" });
  node.port.onmessage = ({ data }) => window.capture.chunks.push(data);
  context.createMediaStreamSource(stream).connect(node);
  window.capture.rate = context.sampleRate;
})();"#;

/// The chunks from one on, as 32-bit floats of both channels in turns.
const CAPTURED: &str = r#"const chunks = window.capture.chunks.slice(arguments[0]);
let bytes = "";
for (const chunk of chunks) {
  for (const byte of new Uint8Array(chunk.buffer)) bytes += String.fromCharCode(byte);
}
return [window.capture.rate, btoa(bytes)];"#;

/// Firefox with one tab, whose microphone is that of an audio server; the person says yes. It is killed on drop.
///
/// It is driven by its own remote protocol, Marionette, so that no further program is needed.
#[derive(Debug)]
pub struct Firefox {
    process: Process,
    connection: TcpStream,
    number: u64,
    _profile: TempDir,
}

impl Firefox {
    /// A fresh one.
    ///
    /// # Errors
    /// When it is missing or does not start.
    pub fn start(server: &AudioServer) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let preferences = format!("{PREFERENCES}user_pref(\"marionette.port\", {port});\n");
        std::fs::write(profile.path().join("user.js"), preferences)?;
        let mut command = server.client("firefox-esr");
        command.args(["--headless", "--no-remote", "--marionette", "--profile"]).arg(profile.path());
        // Root has no sandbox of its own.
        command.env("MOZ_DISABLE_CONTENT_SANDBOX", "1").env("MOZ_CRASHREPORTER_DISABLE", "1");
        let process = Process::start("firefox-esr", &mut command)?;
        let connect = || Ok(TcpStream::connect(("127.0.0.1", port)).ok());
        let connection = wait_for("Firefox", START_LIMIT, connect).with_context(|| process.stderr())?;
        connection.set_read_timeout(Some(START_LIMIT))?;
        let mut firefox = Self { process, connection, number: 0, _profile: profile };
        firefox.receive().context("no greeting")?;
        firefox.ask("WebDriver:NewSession", &json!({ "acceptInsecureCerts": true }))?;
        Ok(firefox)
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn open(&mut self, url: &str) -> Result<()> {
        self.ask("WebDriver:Navigate", &json!({ "url": url })).map(|_| ())
    }

    /// Clicks as a finger does: the element must be there, visible and uncovered.
    ///
    /// # Errors
    /// When there is no such element within a while, or it cannot be clicked.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        wait_for(&format!("a click on {selector}"), LIMIT, || {
            let found =
                self.ask("WebDriver:FindElement", &json!({ "using": "css selector", "value": selector }))?;
            let element = found["value"].as_object().and_then(|found| found.values().next()).cloned();
            self.ask("WebDriver:ElementClick", &json!({ "id": element.context("no element")? }))?;
            Ok(Some(()))
        })
    }

    /// Waits until an element is there.
    ///
    /// # Errors
    /// When it is not within a while; the text holds the page's words.
    pub fn wait(&mut self, selector: &str) -> Result<()> {
        let waited = wait_for(selector, LIMIT, || {
            let found =
                self.run("return document.querySelector(arguments[0]) !== null", &json!([selector]))?;
            Ok((found == json!(true)).then_some(()))
        });
        if waited.is_err() {
            let words = self.run("return document.body.innerText", &json!([]))?;
            return waited.with_context(|| words.to_string());
        }
        waited
    }

    /// Begins to record what Firefox itself takes from the microphone, and waits until something came.
    ///
    /// # Errors
    /// When nothing does within a while.
    pub fn capture_microphone(&mut self) -> Result<()> {
        self.run(CAPTURE, &json!([]))?;
        wait_until("Firefox to take its microphone", LIMIT, || Ok(self.captured()? > 0)).map(|_| ())
    }

    /// How much was recorded, to ask later for what came [`since`](Self::captured_since).
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn captured(&mut self) -> Result<u64> {
        self.run("return window.capture.chunks.length", &json!([]))?.as_u64().context("nothing is recorded")
    }

    /// What Firefox itself took from the microphone since a moment.
    ///
    /// # Errors
    /// As [`Self::captured`].
    pub fn captured_since(&mut self, moment: u64) -> Result<Recording> {
        let (rate, encoded): (u32, String) = serde_json::from_value(self.run(CAPTURED, &json!([moment]))?)?;
        let samples = STANDARD.decode(encoded)?;
        let sample = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let frames = samples.chunks_exact(8).map(|frame| [sample(frame), sample(&frame[4..])]).collect();
        Ok(Recording { rate, frames })
    }

    /// Runs a script in the page and takes what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub fn run(&mut self, script: &str, arguments: &Value) -> Result<Value> {
        let answer = self.ask("WebDriver:ExecuteScript", &json!({ "script": script, "args": arguments }))?;
        Ok(answer["value"].clone())
    }

    /// A command is `length:[0, number, name, parameters]`, its answer `length:[1, number, error, result]`.
    fn ask(&mut self, name: &str, parameters: &Value) -> Result<Value> {
        self.number += 1;
        let command = json!([0, self.number, name, parameters]).to_string();
        self.connection.write_all(format!("{}:{command}", command.len()).as_bytes())?;
        let answer = self.receive().with_context(|| format!("{name}: {}", self.process.stderr()))?;
        ensure!(answer[1] == json!(self.number), "{name} was answered {answer}");
        match &answer[2] {
            Value::Null => Ok(answer[3].clone()),
            error => bail!("{name}: {}", error["message"]),
        }
    }

    fn receive(&mut self) -> Result<Value> {
        let mut length = 0;
        loop {
            let mut digit = [0];
            self.connection.read_exact(&mut digit)?;
            match digit[0] {
                b':' => break,
                digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
                other => bail!("Firefox speaks another protocol: {other}"),
            }
            ensure!(length < 100_000_000, "Firefox announces {length} bytes");
        }
        let mut message = vec![0; length];
        self.connection.read_exact(&mut message)?;
        Ok(serde_json::from_slice(&message)?)
    }
}
