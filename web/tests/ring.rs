//! The last rung's ring and its way through the audio thread, in a real browser: networks are played, and what would be heard is measured.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that finds nothing to unwrap has failed")]

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(inline_js = "
    const RATE = 48000;
    const chunk = 480;
    const tone = (hertz) => (frame) => 0.25 * Math.sin((2 * Math.PI * hertz * frame) / RATE);
    let seed = 1;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    // By how many milliseconds a packet is late that is sent at this time, in seconds.
    const networks = {
        even: () => 20,
        uneven: () => 20 + 15 * random(),
        bursts: (at) => 20 + (Math.ceil(at / 0.2) * 0.2 - at) * 1000,
        stall: (at) => 20 + (at > 3 && at < 5 ? (5 - at) * 1000 : 0),
        trouble: (at) => 20 + (at > 4 && at < 10 ? 200 * random() : 0) + (at > 7 && at < 9 ? (9 - at) * 1000 : 0),
    };
    const lost = {
        lossy: () => random() < 0.05,
        pauses: (at) => at % 3 > 1.5,
        ends: (at) => at > 3,
    };
    const steepest = (sound) => sound.reduce((most, value, at) => Math.max(most, at ? Math.abs(value - sound[at - 1]) : 0), 0);
    // Plays so many seconds of a tone over a network of this kind; `drift` is how much faster the sender's clock is.
    export async function play(kind, hertz, rate, secs, drift) {
        seed = 1;
        const { Ring } = await import('/lazy/ring.js');
        const ring = new Ring(rate);
        const source = tone(hertz);
        const network = networks[kind] ?? networks.even;
        const packets = [];
        let before = 0;
        for (let frame = 0; frame < secs * RATE * 1.01; frame += chunk) {
            const at = frame / RATE;
            // Over TCP nothing overtakes.
            before = Math.max(before, (frame + chunk) / drift + (RATE / 1000) * network(at));
            const sides = () => Float32Array.from({ length: chunk }, (_, index) => source(frame + index));
            if (!lost[kind]?.(at)) packets.push({ at: before, time: 7e9 + frame, left: sides(), right: sides() });
        }
        const [heard, delays] = [[], []];
        for (let frame = 0; frame < secs * rate; frame += 128) {
            const now = (frame * RATE) / rate;
            while (packets.length && packets[0].at <= now) {
                const { time, left, right } = packets.shift();
                ring.put(time, left, right, now);
            }
            const [left, right] = [new Float32Array(128), new Float32Array(128)];
            ring.play(left, right, now);
            heard.push(...left);
            delays.push([now / RATE, ring.report(now).delay ?? 0]);
        }
        const plain = Array.from({ length: RATE }, (_, frame) => source(frame));
        const part = (from, to) => heard.slice(from * rate, to * rate);
        const rises = (sound) => sound.filter((value, at) => at && value >= 0 && sound[at - 1] < 0).length;
        return {
            steps: steepest(heard) / (steepest(plain) * (RATE / rate)),
            loudest: heard.reduce((most, value) => Math.max(most, value), 0),
            finite: heard.every(Number.isFinite),
            longest_silence: part(1, secs).reduce(([most, now], value) => (Math.abs(value) < 1e-4 ? [Math.max(most, now + 1), now + 1] : [most, 0]), [0, 0])[0] / rate,
            concealed: ring.counted.concealed / ring.counted.played,
            skipped: ring.counted.skipped / RATE,
            delay: (at) => delays.find(([now]) => now >= at)[1],
            hertz: (from, to) => rises(part(from, to)) / (to - from),
        };
    }
    export function delay(played, at) { return played.delay(at); }
    export function hertz(played, from, to) { return played.hertz(from, to); }

    // Plays a second of a tone through the worklet itself.
    export async function play_through_worklet(rate) {
        const context = new OfflineAudioContext(2, rate, rate);
        await context.audioWorklet.addModule('/lazy/ring.js');
        const node = new AudioWorkletNode(context, 'soundport-ring', { numberOfInputs: 0, outputChannelCount: [2] });
        const told = [];
        node.port.onmessage = ({ data }) => told.push(data);
        node.connect(context.destination);
        const source = tone(440);
        for (let at = 0; at < 0.95; at += 0.01) {
            context.suspend(at).then(() => {
                const from = Math.round(at * RATE);
                const sides = () => Float32Array.from({ length: chunk }, (_, index) => source(from + index));
                node.port.postMessage({ time: from, left: sides(), right: sides() });
                // The worklet hears of it in its own time.
                setTimeout(() => context.resume(), 5);
            });
        }
        const sound = [...(await context.startRendering()).getChannelData(1)];
        return { steps: steepest(sound) / (steepest(Array.from({ length: RATE }, (_, frame) => source(frame))) * (RATE / rate)), loudest: Math.max(...sound.slice(rate * 0.8)), told: told.length };
    }

    export async function collect(rate) {
        const { Collector } = await import('/lazy/ring.js');
        const frames = [];
        const collector = new Collector(rate, 2, (sound) => frames.push(sound));
        for (let from = 0; from + 128 <= rate; from += 128) {
            const left = Float32Array.from({ length: 128 }, (_, index) => 0.25 * Math.sin((2 * Math.PI * 1000 * (from + index)) / rate));
            collector.put([left], 128);
        }
        const left = frames.flatMap((frame) => [...frame.slice(0, 960)]);
        const wrong = left.slice(10).reduce((most, value, at) => Math.max(most, Math.abs(value) - 0.2501), 0);
        return { frames: frames.length, rises: left.filter((value, at) => at && value >= 0 && left[at - 1] < 0).length, wrong, silent: frames.every((frame) => frame.slice(960).every((value) => value === 0)) };
    }
")]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn play(kind: &str, hertz: f64, rate: u32, secs: f64, drift: f64) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = delay)]
    fn delay_at(played: &JsValue, at: f64) -> f64;
    #[wasm_bindgen(js_name = hertz)]
    fn hertz_between(played: &JsValue, from: f64, to: f64) -> f64;
    #[wasm_bindgen(catch)]
    async fn play_through_worklet(rate: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn collect(rate: u32) -> Result<JsValue, JsValue>;
}

/// A step that is no steeper than this, as a share of the tone's own, is no click.
const NO_CLICK: f64 = 2.5;

fn figure(of: &JsValue, name: &str) -> f64 {
    let figure = Reflect::get(of, &name.into()).unwrap();
    figure.as_f64().unwrap_or_else(|| f64::from(u8::from(figure.is_truthy())))
}

async fn played(kind: &str, hertz: f64, rate: u32, secs: f64) -> JsValue {
    let played = play(kind, hertz, rate, secs, 1.0).await.unwrap();
    let steps = figure(&played, "steps");
    assert!(steps < NO_CLICK, "{kind}, {hertz} Hz, {rate} Hz: a step of {steps}");
    assert!(figure(&played, "finite") > 0.0 && figure(&played, "loudest") < 0.3, "{kind}");
    played
}

#[wasm_bindgen_test]
async fn an_even_network_is_heard_whole_and_soon() {
    for rate in [44_100, 48_000, 96_000] {
        for hertz in [97.0, 440.0, 1_234.0] {
            let played = played("even", hertz, rate, 5.0).await;
            assert_eq!(figure(&played, "concealed"), 0.0);
            assert!(figure(&played, "longest_silence") < 0.001);
            let delay = delay_at(&played, 4.0);
            assert!((25.0..60.0).contains(&delay), "{delay} ms");
        }
    }
}

#[wasm_bindgen_test]
async fn jitter_and_a_stall_are_survived_and_soon_forgotten() {
    for (hertz, rate) in [(97.0, 48_000), (440.0, 44_100), (1_234.0, 48_000)] {
        let played = played("trouble", hertz, rate, 16.0).await;
        let delay = |at| delay_at(&played, at);
        assert!((150.0..300.0).contains(&delay(6.5)), "under jitter {} ms", delay(6.5));
        assert!(delay(9.5) < 450.0, "what a stall held back is skipped, not played: {} ms", delay(9.5));
        assert!(figure(&played, "skipped") > 1.5);
        assert!(delay(15.0) < 60.0, "five seconds later {} ms", delay(15.0));
        assert!(figure(&played, "concealed") < 0.03);
    }
}

#[wasm_bindgen_test]
async fn after_a_stall_the_sound_goes_on_at_its_end() {
    for hertz in [97.0, 440.0, 1_000.0] {
        let played = played("stall", hertz, 48_000, 10.0).await;
        let (at_once, later) = (delay_at(&played, 5.12), delay_at(&played, 9.0));
        assert!(at_once < 450.0 && later < 150.0, "{at_once} ms, then {later} ms");
        let silence = figure(&played, "longest_silence");
        assert!((1.8..2.1).contains(&silence), "{silence} s");
    }
}

#[wasm_bindgen_test]
async fn catching_up_does_not_change_the_pitch() {
    let played = played("trouble", 440.0, 48_000, 16.0).await;
    let hertz = hertz_between(&played, 11.5, 13.5);
    assert!((hertz - 440.0).abs() < 5.0, "{hertz} Hz");
}

#[wasm_bindgen_test]
async fn bursts_are_evened_out() {
    let played = played("bursts", 440.0, 48_000, 8.0).await;
    let delay = delay_at(&played, 7.0);
    assert!((150.0..280.0).contains(&delay), "{delay} ms");
    assert!(figure(&played, "longest_silence") < 0.001 && figure(&played, "concealed") < 0.02);
}

#[wasm_bindgen_test]
async fn a_little_unevenness_costs_little() {
    let played = played("uneven", 440.0, 48_000, 8.0).await;
    assert!(delay_at(&played, 7.0) < 70.0 && figure(&played, "concealed") == 0.0);
}

#[wasm_bindgen_test]
async fn what_is_lost_is_made_up_for() {
    let played = played("lossy", 440.0, 48_000, 10.0).await;
    let concealed = figure(&played, "concealed");
    assert!((0.02..0.09).contains(&concealed), "{concealed}");
    assert!(figure(&played, "longest_silence") < 0.05 && delay_at(&played, 9.0) < 80.0);
}

#[wasm_bindgen_test]
async fn a_pause_is_silent_and_what_follows_begins_without_a_click() {
    let played = played("pauses", 440.0, 48_000, 10.0).await;
    let silence = figure(&played, "longest_silence");
    assert!((1.3..1.6).contains(&silence), "{silence} s");
    assert_eq!(figure(&played, "concealed"), 0.0, "a source that is silent is no trouble of the network");
    assert!(delay_at(&played, 4.0) < 80.0);
}

#[wasm_bindgen_test]
async fn an_end_fades_out() {
    let played = played("ends", 440.0, 48_000, 5.0).await;
    assert!(figure(&played, "longest_silence") > 1.8);
}

#[wasm_bindgen_test]
async fn clocks_that_differ_are_followed() {
    for drift in [0.999, 1.001] {
        let played = play("even", 440.0, 48_000, 60.0, drift).await.unwrap();
        assert!(figure(&played, "steps") < NO_CLICK && figure(&played, "concealed") == 0.0);
        let delay = delay_at(&played, 59.0);
        assert!((15.0..70.0).contains(&delay), "{delay} ms");
    }
}

#[wasm_bindgen_test]
async fn the_audio_thread_plays_it() {
    for rate in [44_100, 48_000] {
        let played = play_through_worklet(rate).await.unwrap();
        assert!(figure(&played, "steps") < NO_CLICK && figure(&played, "told") > 0.0);
        let loudest = figure(&played, "loudest");
        assert!((0.24..0.26).contains(&loudest), "{loudest}");
    }
}

#[wasm_bindgen_test]
async fn a_microphone_of_any_rate_is_collected_in_frames_of_twenty_milliseconds() {
    for rate in [16_000, 44_100, 48_000] {
        let collected = collect(rate).await.unwrap();
        let (frames, rises) = (figure(&collected, "frames"), figure(&collected, "rises"));
        assert!(
            (48.0..51.0).contains(&frames) && (rises - frames * 20.0).abs() < 3.0,
            "{rate} Hz: {frames}, {rises}"
        );
        assert!(figure(&collected, "wrong") <= 0.0 && figure(&collected, "silent") > 0.0);
    }
}
