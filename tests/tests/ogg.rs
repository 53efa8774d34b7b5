//! `/sources/{id}.ogg`: heard, saved and neglected by programs that know nothing of the relay.

#[macro_use]
mod table;

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use soundport_api::Encoding;
use soundport_tests::{
    Answer, Process, Recording, Relay, RelayOptions, Request, Signal, Tolerance, Tone, ToneSender,
    ToneSenderOptions, best_of_three, long, output, report, turn, wait_for, wait_until,
};
use table::{ORIGIN, TalkStage, has, problem};

const SOURCE: &str = "127-0-0-1";
const FILE: &str = "/sources/127-0-0-1.ogg";
const LIMIT: Duration = Duration::from_secs(10);
/// Nobody: VLC refuses to be run by root.
const NOBODY: &str = "65534";
/// A player that starves says so, and what is no good Ogg or Opus is complained of.
const SILENT: &str = "";

type Stage = TalkStage;

fn ask(path: &str) -> Request {
    Request::new("GET", path)
}

fn retry_later(answer: &Answer) -> Result<()> {
    problem(answer)?;
    has(answer, "retry-after", "2")
}

rows! {
    the_head_tells_what_would_be_played_and_no_length: |_| Ok(Request::new("HEAD", FILE)) => [200], |answer| {
        ensure!(answer.header("content-type") == Some("audio/ogg"), "it is {:?}", answer.header("content-type"));
        ensure!(answer.header("content-length").is_none(), "it has a length");
        has(answer, "cache-control", "no-store")
    };
    the_head_of_an_unknown_source_is_not_found: |_| Ok(Request::new("HEAD", "/sources/nobody.ogg")) => [404], |_| Ok(());
    an_unknown_source_is_not_found: |_| Ok(ask("/sources/nobody.ogg")) => [404], problem;
    another_kind_of_file_is_not_found: |_| Ok(ask("/sources/127-0-0-1.mp3")) => [404], problem;
    a_source_that_sends_nothing_yet_is_a_conflict: |_| Ok(ask("/sources/later.ogg")) => [409], retry_later;
    nothing_can_be_put_there: |_| Ok(Request::new("POST", FILE).body("audio/ogg", "OggS")) => [405], problem;
    a_length_that_is_none_is_refused: |_| Ok(ask(&format!("{FILE}?seconds=0"))) => [422], problem;
    a_page_that_is_not_let_in_may_not_play_it: |_| {
        Ok(ask(FILE).header("sec-fetch-site", "cross-site").header("sec-fetch-dest", "audio"))
    } => [403], problem;
    a_page_of_this_machine_may_play_it: |_| {
        Ok(ask(&format!("{FILE}?seconds=1")).header("sec-fetch-site", "same-site").header("origin", ORIGIN))
    } => [200], |answer| has(answer, "access-control-allow-origin", ORIGIN);
}

/// A relay and the test tone.
fn stage(arguments: &[&str], options: ToneSenderOptions) -> Result<(Relay, ToneSender)> {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
    let sender = ToneSender::start(relay.rtp(), options)?;
    relay.wait_live(SOURCE)?;
    Ok((relay, sender))
}

fn url(relay: &Relay) -> String {
    format!("{}{FILE}", relay.http_url())
}

/// Saves with curl.
fn save(url: &str, file: &Path) -> Result<Process> {
    Process::start(
        "curl",
        Command::new("curl").args(["--silent", "--show-error", "--output"]).arg(file).arg(url),
    )
}

/// Decodes a file with ffmpeg, which must have nothing to say.
fn decode(file: &Path) -> Result<Recording> {
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-i"])
        .arg(file)
        .args(["-f", "s16le", "-ac", "2", "-ar", "48000", "-"])
        .output()
        .context("Failed to run ffmpeg")?;
    let said = String::from_utf8_lossy(&decoded.stderr).into_owned();
    ensure!(decoded.status.success() && said == SILENT, "ffmpeg: {said}");
    Ok(Recording::of_16_bits(48_000, &decoded.stdout))
}

/// Checks with opusinfo that there is nothing wrong; `allowed` are words of lines that are let pass.
fn check_info(file: &Path, allowed: &[&str]) -> Result<String> {
    // What is not whole is a failure to it; here the words count.
    let info = Command::new("opusinfo").arg(file).output().context("Failed to run opusinfo")?;
    let text = String::from_utf8_lossy(&[info.stdout, info.stderr].concat()).into_owned();
    ensure!(text.contains("Opus stream 1:"), "opusinfo says {text:?}");
    let wrong = |line: &&str| {
        let line = line.to_ascii_lowercase();
        ["warning", "error", "hole", "invalid"].iter().any(|word| line.contains(word))
            && !allowed.iter().any(|word| line.contains(word))
    };
    match text.lines().find(wrong) {
        Some(line) => bail!("opusinfo says {line:?}"),
        None => Ok(text),
    }
}

#[test]
fn a_recording_is_one_curl_and_nothing_is_wrong_with_it() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&[], ToneSenderOptions::default())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("desktop.ogg");
    let seconds = if long() { 60 } else { 5 };
    let mut curl = save(&format!("{}?seconds={seconds}", url(&relay)), &file)?;
    relay.wait_listeners(SOURCE, 1, LIMIT)?;
    let ended = wait_for("curl", LIMIT + Duration::from_secs(seconds), || curl.ended())?;
    ensure!(ended.success(), "curl: {}", curl.stderr());
    relay.wait_listeners(SOURCE, 0, LIMIT)?;

    let info = check_info(&file, &[])?;
    ensure!(info.contains("Encoded with Soundport") && info.contains("TITLE=127.0.0.1"), "{info}");
    let probe =
        ["-v", "warning", "-show_entries", "stream=codec_name,channels,sample_rate", "-of", "csv=p=0"];
    let probed = output(Command::new("ffprobe").args(probe).arg(&file))?;
    ensure!(probed.trim() == "opus,48000,2", "ffprobe says {probed:?}");
    let heard = decode(&file)?;
    report(&format!("{seconds} s asked for, {:.2} s saved", heard.seconds()));
    ensure!((heard.seconds() - seconds as f64).abs() < 1.0, "it is {:.2} s long", heard.seconds());
    let inside = heard.part(0.1, heard.seconds() - 0.2);
    inside.check_ears()?;
    inside.flaws(0, Tone::LEFT_HZ, Tolerance::STRICT).none()
}

#[test]
fn a_relay_that_stops_ends_the_file() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&[], ToneSenderOptions::default())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("desktop.ogg");
    let mut curl = save(&url(&relay), &file)?;
    wait_for("a second of sound", LIMIT, || Ok((std::fs::metadata(&file)?.len() > 16_000).then_some(())))?;
    relay.stop();
    let ended = wait_for("curl", LIMIT, || curl.ended())?;
    ensure!(ended.success(), "curl: {}", curl.stderr());
    check_info(&file, &[]).map(|_| ())
}

#[test]
fn opus_of_others_is_passed_on_as_it_is() -> Result<()> {
    let _turn = turn();
    best_of_three(pass_on_opus)
}

fn pass_on_opus() -> Result<()> {
    for channels in [1, 2] {
        let options = ToneSenderOptions {
            encoding: Encoding::Opus,
            packet_frames: 960,
            payload_type: 111,
            channels,
            ..ToneSenderOptions::default()
        };
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("soundport.toml");
        let entry =
            format!("[[source]]\nid = \"{SOURCE}\"\nfrom = \"127.0.0.1\"\nformat = \"opus/48000/2\"\n");
        std::fs::write(&config, entry)?;
        let (relay, _sender) = stage(&["--config", &config.display().to_string()], options)?;
        let file = folder.path().join("desktop.ogg");
        let mut curl = save(&format!("{}?seconds=3", url(&relay)), &file)?;
        ensure!(wait_for("curl", LIMIT, || curl.ended())?.success(), "curl: {}", curl.stderr());
        let info = check_info(&file, &[])?;
        ensure!(info.contains("20.0ms (max),   20.0ms (avg),   20.0ms (min)"), "{info}");
        let heard = decode(&file)?.part(0.5, 2.0);
        let left = heard.amplitude(0, Tone::LEFT_HZ);
        ensure!((0.35..0.65).contains(&left), "{channels} channels: 440 Hz left {left:.3}");
    }
    Ok(())
}

/// The programs that people play it with, each saying what it does not like.
fn players(url: &str, home: &Path) -> Result<Vec<(&'static str, Process)>> {
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--no-video", "--ao=null", "--msg-level=all=warn", "--no-input-terminal", url]);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "warning", "-re", "-i", url, "-f", "null", "-"]);
    let mut vlc = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "vlc"]);
        command
    } else {
        Command::new("vlc")
    };
    vlc.args([
        "--intf",
        "dummy",
        "--control",
        "none",
        "--no-video",
        "--aout",
        "adummy",
        "--verbose",
        "1",
        url,
    ]);
    vlc.env("HOME", home).env("XDG_RUNTIME_DIR", home);
    let start = |name, command: &mut Command| -> Result<(&'static str, Process)> {
        Ok((name, Process::start_into(name, command, File::create(home.join(name))?)?))
    };
    Ok(vec![start("mpv", &mut mpv)?, start("ffmpeg", &mut ffmpeg)?, start("vlc", &mut vlc)?])
}

/// What a player has said of the sound; VLC also speaks of a desktop that is not there.
fn of_sound(name: &str, said: &str) -> Vec<String> {
    let of_sound = |line: &&str| {
        name != "vlc"
            || ["demux", "decoder", "access", "input", "audio output", "stream"]
                .iter()
                .any(|word| line.contains(word))
    };
    said.lines().filter(of_sound).map(|line| format!("{name}: {line}")).collect()
}

#[test]
fn players_play_it_through_a_pause_without_a_warning() -> Result<()> {
    let _turn = turn();
    best_of_three(play_through_a_pause)
}

fn play_through_a_pause() -> Result<()> {
    let (relay, sender) = stage(&[], ToneSenderOptions::default())?;
    let folder = tempfile::tempdir()?;
    // Whoever VLC is run by writes there too.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody)?;
    let mut players = players(&url(&relay), folder.path())?;
    let file = folder.path().join("saved.ogg");
    let mut curl = save(&url(&relay), &file)?;
    relay.wait_listeners(SOURCE, 4, LIMIT)?;
    let saved = || -> Result<u64> { Ok(std::fs::metadata(&file)?.len()) };
    let part = Duration::from_secs(if long() { 20 } else { 3 });
    // With what pages add to packets.
    let plays_on = |what: &str, bytes_per_sec: u64| -> Result<()> {
        let until = saved()? + part.as_secs() * bytes_per_sec;
        wait_for(what, part + LIMIT, || Ok((saved()? >= until).then_some(())))
    };
    plays_on("sound", 17_000)?;
    sender.pause();
    plays_on("silence", 13_000)?;
    sender.go_on(Signal::Tones);
    plays_on("sound again", 17_000)?;
    let mut complaints = Vec::new();
    for (name, player) in &mut players {
        let ended = player.ended()?;
        let said = format!("{}{}", std::fs::read_to_string(folder.path().join(*name))?, player.stderr());
        ensure!(ended.is_none(), "{name} has ended: {said}");
        complaints.extend(of_sound(name, &said));
    }
    ensure!(complaints.is_empty(), "players say {complaints:#?}");
    curl.end()?;

    // Who stops it by hand has a file without the page that says that it is the last.
    check_info(&file, &["eos not set"])?;
    let heard = decode(&file)?;
    let lengths = part.as_secs_f64();
    ensure!(heard.seconds() > 3.0 * lengths, "only {:.1} s were saved", heard.seconds());
    heard.part(1.0, lengths - 1.5).check_ears()?;
    heard.part(heard.seconds() - lengths + 0.5, lengths - 1.0).check_ears()?;
    let silence = heard.longest_silence();
    report(&format!("{:.1} s saved, {silence:.1} s of them silent", heard.seconds()));
    ensure!(silence > lengths - 1.0, "the longest silence is {silence:.1} s");
    Ok(())
}

#[test]
fn who_reads_nothing_is_cut_off_and_nobody_else_notices() -> Result<()> {
    let _turn = turn();
    // Much sound, so that what the system keeps for a reader is soon full.
    let (relay, _sender) = stage(&["--bitrate", "510"], ToneSenderOptions::default())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("saved.ogg");
    let mut curl = save(&url(&relay), &file)?;
    let mut lazy = request(&relay)?;
    relay.wait_listeners(SOURCE, 2, LIMIT)?;
    let cut_off = || -> Result<bool> {
        let text = relay.http().get("/metrics")?.text();
        Ok(text.lines().any(|line| line == "soundport_ogg_cut_off_total 1"))
    };
    let after = wait_until("the reader to be cut off", Duration::from_secs(60), cut_off)?;
    report(&format!("cut off after {after:.1?}"));
    relay.wait_listeners(SOURCE, 1, LIMIT)?;
    // What it had not read is still there, but nothing comes after it, and nobody takes it for the whole.
    lazy.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut rest = Vec::new();
    let begun = Instant::now();
    // The connection may be reset.
    let _ = lazy.read_to_end(&mut rest);
    ensure!(begun.elapsed() < Duration::from_secs(25), "the connection is still open");
    ensure!(!rest.ends_with(b"0\r\n\r\n"), "the file was ended as if it were whole");
    curl.end()?;
    let heard = decode(&file)?;
    // Half a second of silence goes ahead.
    let inside = heard.part(0.6, heard.seconds() - 0.8);
    ensure!(inside.seconds() > 5.0, "only {:.1} s were saved", inside.seconds());
    inside.check_ears()?;
    inside.flaws(0, Tone::LEFT_HZ, Tolerance::STRICT).none()
}

/// Asks for the stream, and reads nothing of it.
fn request(relay: &Relay) -> Result<TcpStream> {
    use std::io::Write;
    let mut socket = relay.http().connect()?;
    write!(socket, "GET {FILE} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    Ok(socket)
}
