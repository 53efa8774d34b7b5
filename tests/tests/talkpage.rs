//! *Talk* on the page, as people use it: what they say arrives, and what stands in the way is said in words.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::TalkbackState;
use soundport_tests::{
    AudioServer, Browser, BrowserOptions, Callee, Firefox, Microphone, Process, Recorder, Recording, Relay,
    RelayOptions, Speaker, Tolerance, best_of_three, long, report, turn,
};
use tempfile::TempDir;

/// Ten milliseconds are seven periods of the left tone, but not of the right one: nothing that is lost goes unseen.
const HZ: [f64; 2] = [700.0, 707.0];
const LIMIT: Duration = Duration::from_secs(15);
/// A receiver that follows a clock has settled by then.
const SETTLE: Duration = Duration::from_secs(2);

/// A file for a browser's microphone.
struct Wav {
    folder: TempDir,
}

impl Wav {
    /// Longer than a test listens: Chromium plays it over and over, and clicks where it begins anew.
    fn tones(left_hz: f64, right_hz: f64) -> Result<Self> {
        let wav = Self { folder: tempfile::tempdir()? };
        let seconds = if long() { 240 } else { 90 };
        Recording::tones(left_hz, right_hz, seconds).write_wav(&wav.path())?;
        Ok(wav)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("microphone.wav")
    }

    fn browser(&self) -> Result<Browser> {
        let microphone = Microphone::Wav(self.path());
        Browser::with(&BrowserOptions { microphone, ..BrowserOptions::default() })
    }
}

#[test]
fn chromiums_microphone_is_pulse_audios() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorders = [("parec", callee.server()?.parec()?), ("arecord", callee.server()?.arecord()?)];
    talks_clean(&callee, &recorders, Tolerance::STRICT)
}

#[test]
fn chromiums_microphone_is_pipewires() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pipewire()?;
    let server = callee.server()?;
    let recorders =
        [("parec", server.parec()?), ("arecord", server.arecord()?), ("pw-record", server.pw_record()?)];
    talks_clean(&callee, &recorders, Tolerance::SAMPLE)
}

/// Talks from Chromium without processing, and hears it at every recorder.
fn talks_clean(callee: &Callee, recorders: &[(&str, Recorder)], tolerance: Tolerance) -> Result<()> {
    let wav = Wav::tones(HZ[0], HZ[1])?;
    let browser = wav.browser()?;
    goes_live(&browser, &callee.relay().http_url(), callee.id())?;
    hears_clean(recorders, tolerance)?;
    browser.close()
}

/// Hears a tone for each ear at every recorder, at least once of three times without a flaw.
fn hears_clean(recorders: &[(&str, Recorder)], tolerance: Tolerance) -> Result<()> {
    let length = Duration::from_secs(if long() { 60 } else { 10 });
    for (_, recorder) in recorders {
        recorder.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    }
    std::thread::sleep(SETTLE);
    best_of_three(|| {
        let begins: Vec<u64> = recorders.iter().map(|(_, recorder)| recorder.frames()).collect();
        for ((name, recorder), begin) in recorders.iter().zip(begins) {
            let heard = recorder.since(begin, length)?;
            for (ear, hz) in HZ.into_iter().enumerate() {
                let amplitude = heard.rms(ear) * 2.0_f64.sqrt();
                ensure!((0.42..0.58).contains(&amplitude), "{name}: {hz} Hz of {amplitude:.3}");
                heard.flaws(ear, hz, tolerance).none().with_context(|| format!("{name}, {hz} Hz"))?;
                report(&format!("{name} heard {length:.0?} of {hz} Hz without a flaw, {amplitude:.3}"));
            }
        }
        Ok(())
    })
}

/// Firefox makes slips of its own in what it takes from a microphone: what arrives has no more of them.
#[test]
fn firefoxes_microphone_is_pulse_audios() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    let wav = Wav::tones(HZ[0], HZ[1])?;
    let mouth = AudioServer::pulse_audio(None)?;
    mouth.silent_microphone()?;
    let _playing = mouth.play(&wav.path(), Some("micsink"))?;
    let mut firefox = Firefox::start(&mouth)?;
    firefox.open(&callee.relay().http_url())?;
    let card = format!("[data-source='{}']", callee.id());
    firefox.click(&format!("{card} [data-action='talk-raw']"))?;
    firefox.click(&format!("{card} [data-action='talk']"))?;
    firefox.wait(&format!("{card}[data-talk='live']"))?;
    // It follows the microphone's clock by steps of a few samples until it has found its pace.
    std::thread::sleep(SETTLE * 4);
    recorder.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    firefox.capture_microphone()?;
    std::thread::sleep(SETTLE);
    let length = Duration::from_secs(if long() { 60 } else { 10 });
    best_of_three(|| {
        let moment = firefox.captured()?;
        // What arrives was taken a moment before.
        recorder.hear(SETTLE / 4)?;
        let begin = recorder.frames();
        let heard = recorder.since(begin, length)?;
        let taken = firefox.captured_since(moment)?;
        for (ear, hz) in HZ.into_iter().enumerate() {
            let amplitude = heard.rms(ear) * 2.0_f64.sqrt();
            ensure!((0.42..0.58).contains(&amplitude), "{hz} Hz of {amplitude:.3}");
            let own = taken.flaws(ear, hz, Tolerance::SAMPLE);
            let flaws = heard.flaws(ear, hz, Tolerance::SAMPLE);
            report(&format!("Firefox took {hz} Hz with {own:?}, parec heard it with {flaws:?}"));
            ensure!(flaws.count() <= own.count(), "{hz} Hz: {flaws:?}, and Firefox itself had {own:?}");
        }
        Ok(())
    })
}

#[test]
fn the_first_word_arrives_whole() -> Result<()> {
    let _turn = turn();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("speech.wav");
    let said = speech(&path)?;
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    // A person's own microphone, into which somebody speaks.
    let mouth = AudioServer::pulse_audio(None)?;
    mouth.silent_microphone()?;
    let speaker = Speaker::start(&mouth, "micsink")?;
    let browser = Browser::with(&BrowserOptions {
        microphone: Microphone::Granted,
        server: Some(&mouth),
        ..BrowserOptions::default()
    })?;
    recorder.wait_pace()?;
    browser.open(&callee.relay().http_url())?;
    browser.act(callee.id(), "talk-raw")?;
    best_of_three(|| {
        let begin = recorder.frames();
        browser.act(callee.id(), "talk")?;
        browser.wait_talk(callee.id(), "live")?;
        speaker.say(&said)?;
        std::thread::sleep(Duration::from_secs_f64(said.seconds()) + SETTLE);
        browser.act(callee.id(), "talk-end")?;
        browser.wait_talk(callee.id(), "off")?;
        let length = Duration::from_secs_f64((recorder.frames() - begin) as f64 / 48_000.0);
        let at = recorder.since(begin, length)?.holds(&said)?;
        report(&format!("{:.1} s of speech are whole, from {at:.2?} after the click on", said.seconds()));
        Ok(())
    })?;
    browser.close()
}

#[test]
fn an_app_in_the_container_hears_it() -> Result<()> {
    const APP: &str = r#"<!doctype html><html lang="en"><title>App</title><button id="hear">Hear</button><script>
document.getElementById("hear").onclick = async () => {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext({ sampleRate: 48000 });
  new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(context.destination);
  document.body.dataset.hears = stream.getAudioTracks()[0].label;
};
</script>"#;
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let wav = Wav::tones(HZ[0], HZ[0])?;
    let page = wav.folder.path().join("app.html");
    std::fs::write(&page, APP)?;
    let mut server = callee.container().command("python3");
    server.args(["-m", "http.server", "8000", "--directory"]).arg(wav.folder.path());
    let _server = Process::start("a server", &mut server)?;
    let app = Browser::with(&BrowserOptions {
        microphone: Microphone::Granted,
        server: Some(callee.server()?),
        inside: Some(callee.container()),
        ..BrowserOptions::default()
    })?;
    app.open("http://localhost:8000/app.html")?;
    app.click("#hear")?;
    app.wait("[data-hears]")?;
    let browser = wav.browser()?;
    goes_live(&browser, &callee.relay().http_url(), callee.id())?;
    app.wait_sound()?;
    std::thread::sleep(SETTLE);
    let heard = app.record(Duration::from_secs(2))?;
    let label: String = app.run("return document.body.dataset.hears", vec![])?;
    let (amplitude, hz) = (heard.amplitude(0, HZ[0]), heard.frequency(0, HZ[0]));
    report(&format!("the app hears {hz:.2} Hz of {amplitude:.3} from {label:?}"));
    ensure!((0.4..0.6).contains(&amplitude) && (hz - HZ[0]).abs() < 4.0, "{hz:.2} Hz of {amplitude:.3}");
    browser.close()?;
    app.close()
}

#[test]
fn the_echo_is_heard_and_its_time_is_shown() -> Result<()> {
    let _turn = turn();
    let relay = Relay::with(&RelayOptions { arguments: vec!["--echo".into()], ..RelayOptions::default() })?;
    // A word a second, with pauses.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("words.wav");
    let mut words = Recording::tones(HZ[0], HZ[0], 6);
    for (index, frame) in words.frames.iter_mut().enumerate() {
        if index % 48_000 > 14_400 {
            *frame = [0.0; 2];
        }
    }
    words.write_wav(&path)?;
    let browser =
        Browser::with(&BrowserOptions { microphone: Microphone::Wav(path), ..BrowserOptions::default() })?;
    browser.open(&relay.http_url())?;
    browser.act("echo", "listen")?;
    browser.act("echo", "talk-raw")?;
    browser.act("echo", "talk")?;
    browser.wait_talk("echo", "live")?;
    browser.wait_sound()?;
    let heard = browser.record(Duration::from_secs(3))?;
    let loudest = heard.frames.iter().map(|frame| frame[0].abs()).fold(0.0, f32::max);
    ensure!(loudest > 0.3, "the echo is of {loudest:.3} at most");
    browser.wait("[data-source='echo'] [data-round-trip-ms]")?;
    let shown: String =
        browser.run("return document.querySelector('[data-round-trip-ms]').dataset.roundTripMs", vec![])?;
    let millis: f64 = shown.parse()?;
    report(&format!("the page shows a round trip of {millis} ms"));
    ensure!((10.0..1000.0).contains(&millis), "a round trip of {millis} ms");
    browser.close()
}

#[test]
fn a_source_that_allows_no_talk_has_no_button() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio_with(&[])?;
    let browser = Browser::plain()?;
    browser.open(&callee.relay().http_url())?;
    browser.wait(&format!("[data-source='{}']", callee.id()))?;
    let buttons: u32 =
        browser.run("return document.querySelectorAll('[data-action=\"talk\"]').length", vec![])?;
    ensure!(buttons == 0, "there are {buttons} buttons to talk");
    browser.close()
}

#[test]
fn a_permission_that_is_denied_taken_back_and_given_is_told_in_words() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    let id = callee.id();
    let wav = Wav::tones(HZ[0], HZ[0])?;
    let microphone = Microphone::Asked(wav.path());
    let browser = Browser::with(&BrowserOptions { microphone, ..BrowserOptions::default() })?;
    browser.open(&callee.relay().http_url())?;
    browser.permit("denied")?;
    browser.act(id, "talk")?;
    says(&browser, id, "denied", "Allow it")?;
    browser.permit("granted")?;
    browser.act(id, "talk-raw")?;
    browser.act(id, "talk")?;
    browser.wait_talk(id, "live")?;
    recorder.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    browser.permit("denied")?;
    says(&browser, id, "revoked", "Allow it again")?;
    recorder.wait_silence(LIMIT)?;
    browser.permit("granted")?;
    browser.act(id, "talk")?;
    browser.wait_talk(id, "live")?;
    recorder.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    browser.close()
}

#[test]
fn a_microphone_that_is_unplugged_is_told_in_words_and_heard_again_when_it_is_back() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    let id = callee.id();
    let wav = Wav::tones(HZ[0], HZ[0])?;
    let mouth = AudioServer::pulse_audio(None)?;
    mouth.silent_microphone()?;
    let browser = Browser::with(&BrowserOptions {
        microphone: Microphone::Granted,
        server: Some(&mouth),
        ..BrowserOptions::default()
    })?;
    browser.open(&callee.relay().http_url())?;
    browser.act(id, "talk-raw")?;
    browser.act(id, "talk")?;
    browser.wait_talk(id, "live")?;
    let playing = mouth.play(&wav.path(), Some("micsink"))?;
    recorder.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    drop(playing);
    // Without any other source its stream ends.
    mouth.unload_all("module-remap-source")?;
    mouth.unload_all("module-null-sink")?;
    says(&browser, id, "unplugged", "Plug it in")?;
    mouth.load("module-null-sink sink_name=out rate=48000 channels=2")?;
    mouth.silent_microphone()?;
    browser.act(id, "talk")?;
    browser.wait_talk(id, "live")?;
    let _playing = mouth.play(&wav.path(), Some("micsink"))?;
    recorder.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    browser.close()
}

#[test]
fn a_page_that_is_not_secure_says_so() -> Result<()> {
    let _turn = turn();
    const NAME: &str = "insecure.test";
    let callee = Callee::pulse_audio_with(&["--allow-talk", "--origin", "http://insecure.test"])?;
    let page = callee.relay().http_url().replace("localhost", NAME);
    let browser = Browser::with(&BrowserOptions { known_as: Some(NAME), ..BrowserOptions::default() })?;
    browser.open(&page)?;
    says(&browser, callee.id(), "insecure", "https")?;
    let disabled: bool =
        browser.run("return document.querySelector('[data-action=\"talk\"]').disabled", vec![])?;
    ensure!(disabled, "the button can be pressed in vain");
    browser.close()
}

#[test]
fn a_container_that_goes_and_comes_back_is_told_in_words_and_heard_again() -> Result<()> {
    let _turn = turn();
    let mut callee = Callee::pulse_audio()?;
    let id = callee.id().to_owned();
    let wav = Wav::tones(HZ[0], HZ[0])?;
    let browser = wav.browser()?;
    goes_live(&browser, &callee.relay().http_url(), &id)?;
    callee.server()?.parec()?.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    callee.kill_server();
    says(&browser, &id, "refused", "module-rtp-recv")?;
    browser.wait_talk(&id, "refused")?;
    callee.revive_server()?;
    browser.wait_talk(&id, "live")?;
    callee.wait_way(TalkbackState::Open)?;
    callee.server()?.parec()?.wait_tone(0, HZ[0], 0.4, LIMIT)?;
    browser.close()
}

/// Presses *Talk* without processing, and waits until it is live.
fn goes_live(browser: &Browser, url: &str, id: &str) -> Result<()> {
    browser.open(url)?;
    browser.act(id, "talk-raw")?;
    browser.act(id, "talk")?;
    browser.wait_talk(id, "live")
}

/// Waits until the page gives this reason, in these words among others.
fn says(browser: &Browser, id: &str, notice: &str, words: &str) -> Result<()> {
    let said = browser.wait_talk_notice(id, notice)?;
    report(&format!("{notice}: {said}"));
    ensure!(said.contains(words), "{notice} is told as {said:?}");
    Ok(())
}

/// Speech of voiced sounds, of which a codec keeps the wave, as a file and as it is.
fn speech(path: &std::path::Path) -> Result<Recording> {
    let raw = path.with_extension("espeak.wav");
    run(Command::new("espeak-ng")
        .args(["-v", "en", "-s", "150", "-w"])
        .arg(&raw)
        .arg("Are you there? We are all in the room, and the moon is new."))?;
    let filter = "silenceremove=start_periods=1:start_threshold=-50dB";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-y", "-i"]).arg(&raw);
    run(ffmpeg.args(["-af", filter, "-ar", "48000", "-ac", "2", "-c:a", "pcm_s16le"]).arg(path))?;
    let bytes = std::fs::read(path)?;
    let data = bytes.windows(4).position(|word| word == b"data").context("no sound in the file")?;
    Ok(Recording::of_16_bits(48_000, &bytes[data + 8..]))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("Failed to run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
