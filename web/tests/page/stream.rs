//! The last rung, in a browser without WebRTC: the relay's end of the WebSocket is played, and what is loaded can be kept waiting.

use soundport_api::{Source, SourceState, Talkback, TalkbackState};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::memory;
use crate::stage::{self, Stage, source, until};

#[wasm_bindgen(inline_js = "
    const own = {
        peer: globalThis.RTCPeerConnection, socket: WebSocket, encode: AudioEncoder.prototype.encode,
        append: Node.prototype.appendChild, add: AudioWorklet.prototype.addModule,
    };
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    let ring = null;
    let world = {};
    export function set_up(stream_text, ring_text, holds, failing) {
        world = { holds, failing, held: [], asked: [], spoken: 0, sockets: [] };
        ring ??= script(ring_text);
        const stream = script(stream_text.replaceAll('import.meta.url', '\"https://page.test/lazy/stream.js?1\"'));
        world.stream = stream;
        delete globalThis.soundportStream;
        delete globalThis.RTCPeerConnection;
        const pass = (what) => new Promise((go) => { if (world.holds === what) world.held.push(go); else go(); });
        Node.prototype.appendChild = function (node) {
            if (node.tagName !== 'SCRIPT') return own.append.call(this, node);
            node.src = stream;
            pass('stream').then(() => own.append.call(this, node));
            return node;
        };
        AudioWorklet.prototype.addModule = async function (at) {
            world.asked.push(at);
            // Chromium never asks again for what failed once.
            if (world.failing > 0) world.failed = at;
            world.failing -= 1;
            if (world.failed === at) throw new DOMException('', 'AbortError');
            await pass('ring');
            return own.add.call(this, ring);
        };
        AudioEncoder.prototype.encode = function (sound) {
            const samples = new Float32Array(sound.numberOfFrames);
            sound.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
            world.spoken = Math.max(...samples.map(Math.abs));
            return own.encode.call(this, sound);
        };
        globalThis.WebSocket = class extends EventTarget {
            static OPEN = 1;
            readyState = 1;
            bufferedAmount = 0;
            constructor() {
                super();
                world.sockets.push(this);
                setTimeout(() => this.say('{\"session\":\"one\",\"talker\":7}'));
            }
            say(data) {
                const event = new MessageEvent('message', { data });
                this.onmessage(event);
                this.dispatchEvent(event);
            }
            send(data) { if (typeof data === 'string') this.say(data); }
            close() { this.readyState = 3; }
        };
    }
    export function take_down() {
        globalThis.RTCPeerConnection = own.peer;
        globalThis.WebSocket = own.socket;
        AudioEncoder.prototype.encode = own.encode;
        Node.prototype.appendChild = own.append;
        AudioWorklet.prototype.addModule = own.add;
        delete globalThis.soundportStream;
    }
    export function waits() { return world.held.length > 0; }
    export function release() { world.holds = ''; world.held.splice(0).forEach((go) => go()); }
    // One packet after the other, by a decoder that swallows one; how much later than it is the newest sound is said to be, at worst and in the end.
    export async function swallow_a_packet() {
        const [decoder, post] = [globalThis.AudioDecoder, MessagePort.prototype.postMessage];
        const shifts = [];
        let [time, taken] = [0, 0];
        MessagePort.prototype.postMessage = function (message, ...rest) {
            if (message?.left) shifts.push(time - message.time);
            return post.call(this, message, ...rest);
        };
        globalThis.AudioDecoder = class {
            static isConfigSupported = decoder.isConfigSupported;
            constructor({ output }) { this.output = output; }
            configure() {}
            async flush() {}
            close() {}
            decode() {
                taken += 1;
                if (taken !== 50) this.output({ numberOfFrames: 480, numberOfChannels: 2, copyTo() {}, close() {} });
            }
        };
        const context = new AudioContext();
        await import(world.stream);
        const line = soundportStream.listen('https://page.test/api/', 'kiosk', context.createGain());
        while (line.phase !== 'open') await new Promise((go) => setTimeout(go, 10));
        const packet = new DataView(new ArrayBuffer(8));
        for (; time < 400 * 480; time += 480) {
            packet.setUint32(0, time);
            line.socket.say(packet.buffer);
        }
        line.close();
        context.close();
        MessagePort.prototype.postMessage = post;
        globalThis.AudioDecoder = decoder;
        return [Math.max(...shifts), shifts.at(-1)];
    }
    export async function hints(turn_only, announced, host, answer) {
        await import(world.stream);
        globalThis.RTCPeerConnection = own.peer;
        return soundportStream.hint(answer, turn_only, announced, host, undefined, undefined);
    }
    // A proxy in between takes the WebSocket, and closes it.
    export function shut_sockets() {
        globalThis.WebSocket = class extends EventTarget {
            constructor() { super(); setTimeout(() => this.onclose()); }
            close() {}
        };
    }
    export async function listen_in_vain() {
        await import(world.stream);
        const context = new AudioContext();
        const line = soundportStream.listen('https://page.test/api/', 'kiosk', context.createGain());
        while (line.phase === 'opening') await new Promise((go) => setTimeout(go, 10));
        context.close();
    }
    // How long a round trip is said to take, in milliseconds, while nothing is sent back and sound still comes.
    export async function slow_round_trip() {
        await import(world.stream);
        const context = new AudioContext();
        const line = soundportStream.listen('https://page.test/api/', 'kiosk', context.createGain());
        while (line.phase !== 'open') await new Promise((go) => setTimeout(go, 10));
        line.socket.send = () => {};
        const sound = setInterval(() => line.socket.say(new ArrayBuffer(4)), 20);
        const end = performance.now() + 6000;
        while (performance.now() < end && !(line.roundTrip > 1000)) await new Promise((go) => setTimeout(go, 10));
        clearInterval(sound);
        line.close();
        context.close();
        return line.roundTrip;
    }
    // How many pieces of 10 ms a ring takes after one second of sound, of those that begin at these times after it, in pieces.
    export async function taken_by_the_ring(times) {
        const { Ring } = await import(ring);
        const [own, side] = [new Ring(48000), () => new Float32Array(480).fill(0.1)];
        let now = 0;
        const put = (at) => own.put(at * 480, side(), side(), (now += 480));
        for (let at = 0; at < 100; at += 1) put(at);
        return times.map((at) => {
            const before = own.write;
            put(at + 100);
            return own.write > before;
        });
    }
    export function rings_asked() { return world.asked; }
    export function spoken() { return world.spoken; }
")]
extern "C" {
    fn set_up(stream: &str, ring: &str, holds: &str, failing: u32);
    fn take_down();
    fn waits() -> bool;
    fn release();
    async fn swallow_a_packet() -> JsValue;
    async fn hints(turn_only: bool, announced: bool, host: &str, answer: &str) -> JsValue;
    fn shut_sockets();
    async fn listen_in_vain();
    async fn slow_round_trip() -> JsValue;
    async fn taken_by_the_ring(times: Vec<i32>) -> JsValue;
    fn rings_asked() -> js_sys::Array;
    fn spoken() -> f32;
}

/// A browser without WebRTC, until dropped.
struct World;

impl World {
    /// `holds`: the `stream` or the `ring`, which is loaded only when it is released. `failing`: so many loads of the ring.
    fn new(holds: &str, failing: u32) -> Self {
        set_up(include_str!("../../lazy/stream.js"), include_str!("../../lazy/ring.js"), holds, failing);
        Self
    }
}

impl Drop for World {
    fn drop(&mut self) {
        take_down();
    }
}

fn addresses_of_the_ring() -> Vec<String> {
    let addresses = rings_asked().iter().filter_map(|at| at.as_string()).collect::<Vec<_>>();
    addresses.iter().map(|at| at.replace("https://page.test/lazy/", "")).collect()
}

async fn page() -> Stage {
    memory::forget_everything();
    stage::microphone("");
    let talkback = Talkback { state: TalkbackState::Open, talkers: vec![], trouble: None };
    let talkable = Source { talk: true, talkback: Some(talkback), ..source("kiosk", SourceState::Live) };
    Stage::with(&[talkable]).await
}

#[wasm_bindgen_test]
async fn a_microphone_that_is_changed_while_the_stream_is_loaded_is_heard() {
    for holds in ["stream", "ring"] {
        let _world = World::new(holds, 0);
        let stage = page().await;
        stage.click("[data-action=talk]");
        until("what is loaded", waits).await;
        until("the names", || stage.text("[data-action=talk-device]").contains("Headset")).await;
        stage.choose("[data-action=talk-device]", "Headset");
        until("the other device", || stage::microphones_asked_for().len() == 2).await;
        until("the old one's end", || stage::microphones_in_use() == 1).await;
        release();
        until(holds, || stage.attribute(".card", "data-talk") == "live").await;
        until("its sound", || spoken() > 0.1).await;
        assert_eq!(stage.attribute(".card", "data-talk-way"), "stream");
        stage.click("[data-action=talk-end]");
        until("the end", || stage::microphones_in_use() == 0).await;
        stage.close().await;
    }
}

#[wasm_bindgen_test]
async fn what_could_not_be_loaded_once_is_loaded_with_the_next_try() {
    let _world = World::new("", 1);
    let stage = page().await;
    let listens = |state: &str| stage.attribute("[data-source=kiosk]", "data-state") == state;
    stage.click("[data-action=listen]");
    until("the failure", || listens("failed")).await;
    stage.click("[data-action=listen]");
    until("the stream", || stage.attribute(".card", "data-way") == "stream").await;
    assert_eq!(addresses_of_the_ring(), ["ring.js?1", "ring.js?1&try=1"]);
    stage.click("[data-action=stop]");
    until("the end", || listens("ready")).await;
}

#[wasm_bindgen_test]
async fn a_decoder_that_swallows_a_packet_shifts_the_sound_for_no_longer_than_a_second() {
    let _world = World::new("", 0);
    let _stage = page().await;
    let shifts = js_sys::Array::from(&swallow_a_packet().await);
    assert_eq!(shifts.iter().filter_map(|shift| shift.as_f64()).collect::<Vec<_>>(), [480.0, 0.0]);
}

const ANSWER: &str = "v=0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\n\
    a=candidate:2 1 tcp 1 192.0.2.1 8443 typ host tcptype passive\r\n";

async fn hint(turn_only: bool, announced: bool, host: &str, answer: &str) -> String {
    hints(turn_only, announced, host, answer).await.as_string().unwrap()
}

#[wasm_bindgen_test]
async fn the_remedy_is_one_that_helps() {
    let _world = World::new("", 0);
    let _stage = page().await;
    let not_reached =
        "The relay offers 192.0.2.1:8443/udp and 192.0.2.1:8443/tcp, which this browser does not reach.";
    let open = format!("{not_reached} Open 8443/udp or 8443/tcp on the way to it.");
    assert_eq!(
        hint(false, false, "relay.test", ANSWER).await,
        format!("{not_reached} Start the relay with --announce relay.test.")
    );
    assert_eq!(hint(false, true, "relay.test", ANSWER).await, open);
    assert_eq!(hint(false, false, "192.0.2.1", ANSWER).await, open, "it is offered already");
    assert!(hint(false, false, "192.0.2.11", ANSWER).await.ends_with("--announce 192.0.2.11."));
    assert_eq!(
        hint(true, false, "relay.test", ANSWER).await,
        "The relay allows no way but TURN, and none of its TURN servers leads this browser to it."
    );
    assert_eq!(
        hint(false, true, "relay.test", "v=0\r\n").await,
        "The relay offers no address: it must be able to resolve the names that it announces."
    );
    shut_sockets();
    listen_in_vain().await;
    let proxy = " The WebSocket did not open: a proxy must pass on Upgrade and Connection.";
    assert_eq!(hint(false, true, "relay.test", ANSWER).await, open + proxy);
}

#[wasm_bindgen_test]
async fn an_answer_that_is_on_its_way_counts_for_the_delay() {
    let _world = World::new("", 0);
    let _stage = page().await;
    assert!(slow_round_trip().await.as_f64() > Some(1_000.0));
}

#[wasm_bindgen_test]
async fn sound_that_came_twice_is_heard_once_and_a_clock_that_was_set_back_is_followed() {
    let _world = World::new("", 0);
    let taken = async |times: Vec<i32>| {
        let taken = js_sys::Array::from(&taken_by_the_ring(times).await);
        taken.iter().map(|taken| taken.is_truthy()).collect::<Vec<_>>()
    };
    assert_eq!(taken(vec![-1, 0, 0, -5, 1, 1, 2]).await, [false, true, false, false, true, false, true]);
    let set_back = taken((-50..-30).collect()).await;
    assert_eq!(set_back.iter().position(|taken| *taken), Some(9));
    assert!(set_back[9..].iter().all(|taken| *taken), "{set_back:?}");
}
