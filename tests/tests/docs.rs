//! Every command and every configuration of the documentation is run as it stands there, with an address, a source or a
//! file in the place of RELAY, SOURCE or FILE. What nobody runs, fails.

#[path = "docs/runner.rs"]
mod runner;

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

use runner::{ELSEWHERE, Runner, runner};

const LIMIT: Duration = Duration::from_secs(15);
const DESKTOP: &str = "desktop";
const SPOKEN_HZ: f64 = 700.0;
const HEARD: f64 = 0.3;

#[test]
fn nothing_is_told_that_nobody_runs() -> Result<()> {
    let docs = Docs::read()?;
    let left: Vec<String> =
        docs.snippets().filter(|one| runner(one).is_none()).map(ToString::to_string).collect();
    ensure!(left.is_empty(), "no test runs these; see tests/tests/docs/runner.rs:\n{}", left.join("\n"));
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
fn what_is_loaded_into_a_desktop_is_heard() -> Result<()> {
    let _turn = turn();
    each(Runner::Desktop, |snippet| {
        for line in snippet.lines().filter_map(|line| Some(&line[line.find("pactl ")?..])) {
            let machine = Machine::new()?;
            let relay = machine.relay(&[])?;
            let server = AudioServer::pulse_audio(Some(machine.container()))?;
            let address = machine.address();
            type_in(&server, &filled(line, &[("172.17.0.1", &address), ("RELAY_IP", &address)]))?;
            let _playing = server.play(&machine.folder().join("tone.wav"), None)?;
            hears_tone(&relay, DESKTOP).with_context(|| line.to_owned())?;
        }
        Ok(())
    })
}

#[test]
fn pulse_audio_tells_and_does_what_it_is_asked() -> Result<()> {
    let machine = Machine::new()?;
    let server = AudioServer::pulse_audio(Some(machine.container()))?;
    server.load("module-suspend-on-idle")?;
    let _playing = server.play(&machine.folder().join("tone.wav"), None)?;
    let inputs = || -> Result<String> {
        let output = server.client("pactl").args(["list", "short", "sink-inputs"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).split('\t').next().unwrap_or_default().to_owned())
    };
    wait_until("somebody who plays", LIMIT, || Ok(!inputs()?.is_empty()))?;
    let number = inputs()?;
    each(Runner::Pactl, |snippet| {
        let line = filled(&snippet.text, &[("NUMBER", &number), ("NAME", "out")]);
        let output = server.client("sh").args(["-ec", &line]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })
}

#[test]
fn a_relay_that_runs_is_asked_how_it_is() -> Result<()> {
    let machine = Machine::new()?;
    let _relay = machine.relay(&["--demo"])?;
    each(Runner::Asked, |snippet| {
        // The doctor ends with 1 where there is trouble, and says which.
        let output = machine.shell(&filled(&snippet.text, &[(DESKTOP, "demo")])).output()?;
        let is_told = !output.stdout.is_empty() && output.status.code() == Some(1);
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() || is_told, "ended with {}: {said}", output.status);
        Ok(())
    })
}

#[test]
fn packages_are_those_that_tests_install() -> Result<()> {
    let installed = include_str!("../../xtask/src/packages.rs");
    each(Runner::Packages, |snippet| {
        let names = snippet.text.split_whitespace().skip_while(|word| *word != "install").skip(1);
        for name in names.filter(|word| !word.starts_with('-')) {
            ensure!(installed.contains(&format!("\"{name}\"")), "no test installs {name}");
        }
        Ok(())
    })
}

#[test]
fn tests_that_run_the_rest_are_there() -> Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = Docs::read()?;
    for (test, texts) in ELSEWHERE {
        ensure!(top.join(test).exists(), "there is no {test}");
        for text in *texts {
            let is_told = docs.snippets().any(|snippet| snippet.text.contains(text));
            ensure!(is_told, "no page tells of `{text}` any more: take it out of tests/tests/docs/runner.rs");
        }
    }
    Ok(())
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
        let values = [("SOURCE", DESKTOP), ("sound.example.org", "localhost"), ("seconds=60", "seconds=1")];
        // Players are run by the tests of Ogg.
        for line in snippet.commands().iter().filter(|line| line.starts_with("curl ")) {
            let output = machine.run(&filled(line, &values))?;
            let of = |name: &str| fs::read(machine.folder().join(name)).unwrap_or_default();
            match (line.contains("answer.sdp"), line.contains("desktop.ogg ")) {
                (true, _) => ensure!(of("answer.sdp").starts_with(b"v=0"), "answer.sdp is no answer"),
                (_, true) => ensure!(of("desktop.ogg").starts_with(b"OggS"), "desktop.ogg is no Ogg file"),
                _ => ensure!(!output.stdout.is_empty(), "there is no answer"),
            }
        }
        Ok(())
    })
}

#[test]
fn every_option_and_variable_is_known() -> Result<()> {
    let machine = Machine::new()?;
    let mut help = String::new();
    for command in ["soundport --help", "soundport serve --help", "soundport doctor --help"] {
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
    ensure!(
        !snippets.is_empty(),
        "nothing is left for {wanted:?}: take it out of tests/tests/docs/runner.rs"
    );
    snippets.into_iter().try_for_each(|snippet| run(snippet).with_context(|| snippet.to_string()))
}

/// Runs a line in a container that sends by itself, or has a sink to play to.
fn is_heard(line: &str) -> Result<()> {
    let machine = Machine::new()?;
    let relay = machine.relay(&[])?;
    let address = machine.address();
    let line = filled(
        line,
        &[
            ("RELAY", &address),
            ("RELAY_IP", &address),
            ("172.17.0.1", &address),
            ("music.flac", "tone.wav"),
            ("FILE", "tone.wav"),
        ],
    );
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
