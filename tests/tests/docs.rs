//! Every command and every configuration of the documentation is run as it stands there, with an address, a source or a
//! file in the place of RELAY, SOURCE or FILE. What nobody here runs, fails.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use soundport_api::SourceState;
use soundport_tests::{
    AudioServer, Browser, Docs, Event, Events, Machine, Nginx, Process, Relay, Snippet, SpeechOptions,
    ToneSender, ToneSenderOptions, WhepClient, WhipClient, filled, opus_offer, turn, wait_for, wait_until,
};

const LIMIT: Duration = Duration::from_secs(15);
const DESKTOP: &str = "desktop";
const SPOKEN_HZ: f64 = 700.0;
const HEARD: f64 = 0.3;

/// Who runs a piece of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// `pactl` with PulseAudio and with PipeWire; what plays is heard.
    Speaker,
    /// `pactl` with PulseAudio; what is said is recorded at the microphone, and what plays is heard.
    Microphone,
    /// A program that sends RTP, in a container; it is heard.
    Sender,
    /// A program that receives a microphone; what is said is played.
    Receiver,
    /// A configuration file, which `soundport check` finds fine and the relay starts with.
    Configuration,
    /// A relay, which starts.
    Relay,
    /// A command that ends, and well.
    Command,
    /// `curl`, with a relay.
    Curl,
    /// An option or a variable, which the help knows.
    Name,
    /// A line for a page on another server, which finds the relay by it.
    Page,
    /// coturn's configuration, which coturn takes.
    Coturn,
    /// A package of this workspace.
    Cargo,
    /// Tests elsewhere, which take the text from where it stands.
    Elsewhere,
    /// A drawing.
    Nobody,
}

/// What is run elsewhere, from the text as it stands: by which it is known, and the test that runs it.
const ELSEWHERE: &[(&str, &str)] = &[
    // Reads every page, and has the command line's own parser read each line.
    ("cargo xtask ", "xtask/src/args.rs"),
    // Takes nginx' lines from the page.
    ("map $http_upgrade $connection_upgrade", "tests/src/nginx.rs"),
    // Holds the page against the recipe, which it runs.
    ("handle_path /sound/*", "tests/src/caddy.rs"),
    // Holds the line against the pinned tools; the page is built by the other.
    ("trunk serve", "xtask/src/tools/crates.rs"),
    ("trunk build --release", "xtask/src/page.rs"),
];

fn runner(snippet: &Snippet) -> Option<Runner> {
    let text = snippet.text.as_str();
    if ELSEWHERE.iter().any(|(known, _)| text.contains(known)) {
        return Some(Runner::Elsewhere);
    }
    Some(match snippet.program() {
        "pactl" if text.contains("module-rtp-recv") => Runner::Microphone,
        "pactl" if text.contains("module-rtp-send") => Runner::Speaker,
        "pw-cli" | "ffmpeg" => Runner::Sender,
        "gst-launch-1.0" if text.contains("udpsrc") => Runner::Receiver,
        "gst-launch-1.0" => Runner::Sender,
        "soundport" if text.contains("soundport check") || text.contains("--help") => Runner::Command,
        "soundport" => Runner::Relay,
        "curl" => Runner::Curl,
        "cargo" => Runner::Cargo,
        _ if snippet.is_option() || snippet.is_variable() => Runner::Name,
        _ if snippet.is_configuration() => Runner::Configuration,
        _ if text.starts_with("<meta name=\"soundport-relay\"") => Runner::Page,
        _ if text.contains("denied-peer-ip=") => Runner::Coturn,
        _ if text.contains("─▶") => Runner::Nobody,
        _ => return None,
    })
}

#[test]
fn nothing_is_told_that_nobody_runs() -> Result<()> {
    let docs = Docs::read()?;
    let left: Vec<String> =
        docs.snippets().filter(|one| runner(one).is_none()).map(ToString::to_string).collect();
    ensure!(left.is_empty(), "no test runs these; see `runner` in tests/tests/docs.rs:\n{}", left.join("\n"));
    let count = docs.snippets().count();
    ensure!(count > 60, "only {count} commands and settings were found");
    Ok(())
}

#[test]
fn what_plays_in_pulse_audio_or_pipewire_is_heard() -> Result<()> {
    let _turn = turn();
    each(Runner::Speaker, |snippet| {
        for start in [AudioServer::bare_pulse_audio, AudioServer::bare_pipewire] {
            let machine = Machine::new()?;
            let relay = machine.relay(&[])?;
            let server = start(machine.container())?;
            type_in(&server, &filled(&snippet.text, &[("RELAY", &machine.address())]))?;
            let _playing = server.play(&machine.folder().join("tone.wav"), None)?;
            hears_tone(&relay, DESKTOP)?;
        }
        Ok(())
    })
}

#[test]
fn what_is_said_is_heard_at_the_microphone() -> Result<()> {
    let _turn = turn();
    each(Runner::Microphone, |snippet| {
        let machine = Machine::new()?;
        let relay = machine.relay(&["--allow-talk"])?;
        let server = AudioServer::bare_pulse_audio(machine.container())?;
        type_in(&server, &filled(&snippet.text, &[("RELAY", &machine.address())]))?;
        let _playing = server.play(&machine.folder().join("tone.wav"), None)?;
        hears_tone(&relay, DESKTOP)?;
        // An app takes the default microphone, and plays to the default sink.
        let recorder = server.parec_of("@DEFAULT_SOURCE@")?;
        let _talker = WhipClient::talk(relay.http(), DESKTOP, SpeechOptions::tone(SPOKEN_HZ))?;
        recorder.wait_tone(0, SPOKEN_HZ, HEARD, LIMIT).map(|_| ())
    })
}

#[test]
fn every_other_sender_is_heard() -> Result<()> {
    let _turn = turn();
    each(Runner::Sender, |snippet| snippet.lines().try_for_each(is_heard))
}

#[test]
fn a_receiver_that_hears_no_announcements_plays_what_is_said() -> Result<()> {
    let _turn = turn();
    let docs = Docs::read()?;
    let told = docs.distinct(|one| one.is_block && one.is_configuration() && one.text.contains("talk_to"));
    each(Runner::Receiver, |snippet| {
        let machine = Machine::new()?;
        let config = told.first().context("no page tells of talk_to")?;
        let container = machine.container().address().to_string();
        fs::write(
            machine.folder().join("soundport.toml"),
            filled(&config.text, &[("172.17.0.2", &container)]),
        )?;
        let relay = machine.relay(&["--config", &file(&machine, "soundport.toml")])?;
        let server = AudioServer::pulse_audio(Some(machine.container()))?;
        let recorder = server.parec_of("out.monitor")?;
        let mut shell = server.client_in(machine.container(), "sh");
        let receiver = Process::start("gst-launch-1.0", shell.args(["-ec", &snippet.text]))?;
        let id = relay.sources()?.first().context("no source is configured")?.id.clone();
        let _talker = WhipClient::talk(relay.http(), &id, SpeechOptions::tone(SPOKEN_HZ))?;
        recorder.wait_tone(0, SPOKEN_HZ, HEARD, LIMIT).map(|_| ()).with_context(|| receiver.stderr())
    })
}

#[test]
fn every_configuration_is_fine_and_the_relay_starts_with_it() -> Result<()> {
    let machine = Machine::new()?;
    let certs = Relay::start()?;
    let own = format!("{}/", certs.certs().display());
    each(Runner::Configuration, |snippet| {
        // A line within a sentence does not say in which table it stands.
        let tables: &[&str] =
            if snippet.is_block { &[""] } else { &["", "[ice]\n", "[[source]]\nid = \"desktop\"\n"] };
        let text = snippet.text.replace("/etc/soundport/", &own);
        let mut refused = String::new();
        for table in tables {
            fs::write(machine.folder().join("soundport.toml"), format!("{table}{text}\n"))?;
            match machine.run("soundport check --config soundport.toml") {
                Ok(_) if snippet.is_block => {
                    let mut relay = machine.serve("soundport serve --config soundport.toml")?;
                    return relay.end();
                }
                Ok(_) => return Ok(()),
                Err(error) => refused = format!("{error:#}"),
            }
        }
        bail!("{refused}")
    })
}

#[test]
fn every_relay_starts() -> Result<()> {
    let machine = Machine::new()?;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/soundport.example.toml");
    each(Runner::Relay, |snippet| {
        let line = filled(&snippet.text, &[("FILE", example)]);
        let mut relay = machine.serve(&line)?;
        if line.contains("[::]:8443") {
            let address = format!("{}:8443", machine.address());
            machine.host().inside(|| Ok(TcpStream::connect(&address)?)).context("it is not open")?;
        }
        let events = Events::subscribe(&machine.http())?;
        let announces = line.to_lowercase().contains("announce");
        wait_until("the relay to know whether it is announced", LIMIT, || {
            Ok(events.log().iter().any(|(_, event)| match event {
                Event::Relay(relay) => relay.announced == announces,
                _ => false,
            }))
        })?;
        relay.end()
    })
}

#[test]
fn every_command_ends_well() -> Result<()> {
    let machine = Machine::new()?;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/soundport.example.toml");
    each(Runner::Command, |snippet| machine.run(&filled(&snippet.text, &[("FILE", example)])).map(|_| ()))
}

#[test]
fn curl_is_answered() -> Result<()> {
    let machine = Machine::new()?;
    fs::write(
        machine.folder().join("soundport.toml"),
        "[[source]]\nid = \"desktop\"\nfrom = \"127.0.0.1\"\n",
    )?;
    fs::write(machine.folder().join("offer.sdp"), opus_offer(&["audio"]))?;
    let relay = machine.relay(&["--config", &file(&machine, "soundport.toml")])?;
    let _sender = machine.host().inside(|| ToneSender::start(relay.rtp(), ToneSenderOptions::default()))?;
    relay.wait_live(DESKTOP)?;
    each(Runner::Curl, |snippet| {
        let output = machine.run(&filled(&snippet.text, &[("SOURCE", DESKTOP)]))?;
        let written = fs::read_to_string(machine.folder().join("answer.sdp")).unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match snippet.text.contains("answer.sdp") {
            true => ensure!(written.starts_with("v=0"), "answer.sdp is {written}"),
            false => ensure!(!said.is_empty(), "there is no answer"),
        }
        Ok(())
    })
}

#[test]
fn every_option_and_variable_is_known() -> Result<()> {
    let machine = Machine::new()?;
    let mut help = String::new();
    for command in ["soundport --help", "soundport serve --help", "soundport check --help"] {
        help.push_str(&String::from_utf8_lossy(&machine.run(command)?.stdout));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let known: BTreeSet<&str> = help.split(|c| !is_word(c)).chain(["SOUNDPORT_LOG"]).collect();
    each(Runner::Name, |snippet| {
        let name = snippet.text.split(|c| !is_word(c)).next().unwrap_or_default();
        ensure!(known.contains(name), "no help tells of {name}");
        Ok(())
    })
}

#[test]
fn a_page_on_another_server_finds_the_relay_by_its_head() -> Result<()> {
    let _turn = turn();
    each(Runner::Page, |snippet| {
        let machine = Machine::new()?;
        let page = machine.folder().join("page");
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
        let copied = Command::new("cp").arg("-r").arg(built).arg(&page).status()?;
        ensure!(copied.success(), "there is no page: run `cargo xtask build`");
        let index = fs::read_to_string(page.join("index.html"))?;
        let (before, after) = index.split_once("</head>").context("the page has no head")?;
        let line = snippet.text.replace("https://sound.example.org:8443", "https://localhost:8443");
        ensure!(line != snippet.text, "the line names another relay");
        fs::write(page.join("index.html"), format!("{before}{line}</head>{after}"))?;
        let _nginx = Nginx::files(machine.host(), "127.0.0.1:4443".parse()?, &page)?;
        let relay = machine.relay(&[])?;
        machine.host().inside(|| {
            let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
            relay.wait_live("127-0-0-1")?;
            let browser = Browser::start()?;
            browser.listen("https://127.0.0.1:4443/", "127-0-0-1")?;
            browser.record(Duration::from_secs(2))?.part(1.0, 1.0).check_ears()?;
            browser.close()
        })
    })
}

#[test]
fn coturn_takes_its_lines() -> Result<()> {
    let machine = Machine::new()?;
    each(Runner::Coturn, |snippet| {
        let own = "listening-ip=127.0.0.1\nno-cli\nno-tls\nno-dtls\nlog-file=stdout\npidfile=coturn.pid\nuserdb=coturn.db\n";
        fs::write(machine.folder().join("turnserver.conf"), format!("{own}{}\n", snippet.text))?;
        let mut shell = machine.shell("turnserver -c turnserver.conf >coturn.log 2>&1");
        let _coturn = Process::start("coturn", &mut shell)?;
        let log = || fs::read_to_string(machine.folder().join("coturn.log")).unwrap_or_default();
        wait_until("coturn", LIMIT, || {
            Ok(machine.host().inside(|| Ok(TcpStream::connect("127.0.0.1:3478")?)).is_ok())
        })
        .with_context(log)?;
        let complaints: Vec<String> = log()
            .lines()
            .filter(|line| line.contains("Bad") || line.contains("CONFIG ERROR"))
            .map(str::to_owned)
            .collect();
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        Ok(())
    })
}

#[test]
fn cargo_finds_every_package_that_is_named() -> Result<()> {
    let machine = Machine::new()?;
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(top)
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    each(Runner::Cargo, |snippet| {
        for line in snippet.lines() {
            let (_, rest) = line.split_once(" -p ").with_context(|| format!("{line} names no package"))?;
            let name = rest.split(' ').next().unwrap_or_default();
            ensure!(packages.iter().any(|package| package["name"] == name), "there is no package {name}");
            if let Some((_, arguments)) = rest.split_once(" -- ") {
                machine.serve(&format!("soundport {arguments}"))?.end()?;
            }
        }
        Ok(())
    })
}

/// Runs each different text of a runner's, and names where the text stands that fails.
fn each(wanted: Runner, run: impl Fn(&Snippet) -> Result<()>) -> Result<()> {
    let docs = Docs::read()?;
    let snippets = docs.distinct(|one| runner(one) == Some(wanted));
    ensure!(!snippets.is_empty(), "nothing is left for {wanted:?}: take it out of tests/tests/docs.rs");
    snippets.into_iter().try_for_each(|snippet| run(snippet).with_context(|| snippet.to_string()))
}

/// Runs a line in a container that sends by itself, or has a sink to play to.
fn is_heard(line: &str) -> Result<()> {
    let machine = Machine::new()?;
    let relay = machine.relay(&[])?;
    let address = machine.address();
    let line = filled(line, &[("RELAY", &address), ("172.17.0.1", &address), ("FILE", "tone.wav")]);
    let server = match line.starts_with("pw-cli") {
        true => Some(AudioServer::bare_pipewire(machine.container())?),
        false => None,
    };
    let mut shell = match &server {
        Some(server) => server.client_in(machine.container(), "sh"),
        None => machine.shell_in_container(&line),
    };
    if server.is_some() {
        shell.args(["-ec", &line]);
    }
    let sender = Process::start("the sender", &mut shell)?;
    let _playing = match &server {
        Some(server) => {
            wait_sink(server, "soundport")?;
            Some(server.play(&machine.folder().join("tone.wav"), Some("soundport"))?)
        }
        None => None,
    };
    let id = wait_for("a source", LIMIT, || {
        let live = relay.sources()?.into_iter().find(|source| source.state == SourceState::Live);
        Ok(live.map(|source| source.id))
    })
    .with_context(|| sender.stderr())?;
    let client = WhepClient::listen(relay.http(), &id)?;
    client.wait_tone(LIMIT).map(|_| ()).with_context(|| format!("`{line}` says {}", sender.stderr()))
}

/// Types the lines one after the other, as somebody does who looks at what they say: PipeWire takes a moment for each.
fn type_in(server: &AudioServer, lines: &str) -> Result<()> {
    for line in lines.lines() {
        let mut said = String::new();
        wait_until("the audio server", LIMIT, || {
            let output = server.client("sh").args(["-ec", line]).output()?;
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            Ok(output.status.success())
        })
        .with_context(|| format!("`{line}` is answered: {said}"))?;
    }
    Ok(())
}

fn wait_sink(server: &AudioServer, name: &str) -> Result<()> {
    wait_until(&format!("the sink {name}"), LIMIT, || {
        let output = server.client("pactl").args(["list", "short", "sinks"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).contains(name))
    })
    .map(|_| ())
}

fn hears_tone(relay: &Relay, id: &str) -> Result<()> {
    relay.wait_live(id)?;
    let client = WhepClient::listen(relay.http(), id)?;
    client.wait_tone(LIMIT)?;
    client.hear(Duration::from_secs(1))?.settled()?.check_ears()
}

fn file(machine: &Machine, name: &str) -> String {
    machine.folder().join(name).display().to_string()
}
