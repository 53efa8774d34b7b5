//! A place to put parts of the page, with a relay that is played by a few lines.

use gloo_timers::future::TimeoutFuture;
use soundport_api::{Encoding, Format, Found, Source, SourceState};
use soundport_web::components::{App, SourceCard};
use soundport_web::desk::{LevelBoard, View};
use soundport_web::state::Phase;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, HtmlElement, HtmlInputElement};
use yew::Callback;

use soundport_web::components::SourceCardProps;

#[wasm_bindgen(inline_js = "
    const relay = { list: '[]', status: 0, streams: true, offers: [], asked: [], ended: [], peers: [], stream: null };
    export function play(list) {
        relay.peers.forEach((peer) => peer.close());
        Object.assign(relay, { list, status: 0, streams: true, offers: [], asked: [], ended: [], peers: [], stream: null, answers: false, full: false, reach: true, closed: false });
        for (const socket of sockets) socket.close();
        sockets.length = 0;
    }
    // From here on no address of the relay's leads anywhere, or all do again.
    export function reach(reached) { relay.reach = reached; }
    export function close_to_others() { Object.assign(relay, { status: -1, closed: true }); }
    const host = document.createElement('meta');
    host.name = 'soundport-relay';
    export function elsewhere(address) {
        host.content = address;
        if (address) document.head.append(host); else host.remove();
    }
    // What a browser has, taken away and given back.
    const parts = {};
    export function take_away(name) { parts[name] = window[name]; window[name] = undefined; }
    export function give_back(name) { window[name] = parts[name]; }
    // A WebSocket to the relay, which plays a tone to listeners and keeps what talkers send.
    const sockets = [];
    export function sockets_open() { return sockets.filter(({ readyState }) => readyState === 1).length; }
    export function said() { return sockets.flatMap(({ said }) => said); }
    let packets;
    const encoded = async () => {
        const found = [];
        const encoder = new AudioEncoder({ error: console.error, output: (packet) => {
            const data = new Uint8Array(packet.byteLength);
            packet.copyTo(data);
            found.push(data);
        } });
        encoder.configure({ codec: 'opus', sampleRate: 48000, numberOfChannels: 2, bitrate: 64000, opus: { frameDuration: 10000 } });
        for (let at = 0; at < 100; at += 1) {
            const data = Float32Array.from({ length: 960 }, (_, index) => 0.2 * Math.sin((2 * Math.PI * 400 * ((index % 480) + at * 480)) / 48000));
            encoder.encode(new AudioData({ format: 'f32-planar', sampleRate: 48000, numberOfFrames: 480, numberOfChannels: 2, timestamp: at * 10000, data }));
        }
        await encoder.flush();
        return found;
    };
    const Sockets = window.WebSocket;
    window.WebSocket = class extends EventTarget {
        static OPEN = 1;
        constructor(url, protocols) {
            super();
            Object.assign(this, { url: String(url), protocols, readyState: 0, bufferedAmount: 0, said: [] });
            if (!this.url.endsWith('/stream')) return new Sockets(url, protocols);
            sockets.push(this);
            setTimeout(() => this.begin(), 5);
        }
        async begin() {
            packets ??= encoded();
            const tones = await packets;
            this.readyState = 1;
            const name = this.protocols[1].replace('ticket.', '');
            this.tell(JSON.stringify({ session: 'of-' + name, talker: 40 + sockets.length }));
            const begun = performance.now();
            let sent = 0;
            this.timer = name.startsWith('listen') && setInterval(() => {
                for (; sent * 10 < performance.now() - begun; sent += 1) {
                    const tone = tones[sent % tones.length];
                    const data = new Uint8Array(4 + tone.length);
                    new DataView(data.buffer).setUint32(0, (0xffffff00 + sent * 480) >>> 0);
                    data.set(tone, 4);
                    this.tell(data.buffer);
                }
            }, 10);
        }
        tell(data) {
            const event = new MessageEvent('message', { data });
            this.onmessage?.(event);
            this.dispatchEvent(event);
        }
        send(data) { if (typeof data === 'string') this.tell(data); else this.said.push(data.length); }
        close() {
            clearInterval(this.timer);
            if (this.readyState === 3) return;
            this.readyState = 3;
            this.onclose?.({ code: 1005 });
        }
    };
    const configure = RTCPeerConnection.prototype.setConfiguration;
    RTCPeerConnection.prototype.setConfiguration = function (taken) {
        relay.asked.push('configured: ' + JSON.stringify(taken));
        return configure.call(this, taken);
    };
    export function answer_listeners(full) { relay.answers = true; relay.full = full; }
    export function refuse(status) { relay.status = status; }
    export function refuse_streams() { relay.streams = false; }
    export function offers() { return relay.offers; }
    export function asked() { return relay.asked; }
    export function input(slider) { slider.dispatchEvent(new Event('input', { bubbles: true })); }
    const write = (text) => relay.stream.enqueue(new TextEncoder().encode(text));
    const event = (name, data) => 'event: ' + name + '\\ndata: ' + data + '\\n\\n';
    // In two parts, as a network might cut it.
    export function tell(name, data) { const text = event(name, data); write(text.slice(0, 9)); write(text.slice(9)); }
    export function is_stream_open() { return relay.stream !== null; }
    export function see(state) {
        Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }
    const now = Date.now;
    export function sleep(millis) { Date.now = () => now() + millis; }
    export function end_stream() { relay.stream.close(); }
    const events = (signal) => new Response(new ReadableStream({
        start(stream) {
            relay.stream = stream;
            signal.addEventListener('abort', () => {
                if (relay.stream === stream) relay.stream = null;
                try { stream.error(signal.reason); } catch { /* it had ended */ }
            });
            write(event('relay', '{\"instance\":\"one\",\"trouble\":null}') + event('sources', relay.list));
        },
    }), { headers: { 'content-type': 'text/event-stream' } });
    // A talker's other end: a connection of this page's own, which hears what is sent.
    const whip = async (at, offer) => {
        const peer = new RTCPeerConnection();
        const element = new Audio();
        element.muted = true;
        peer.ontrack = ({ track }) => {
            element.srcObject = new MediaStream([track]);
            element.play();
            relay.ear ??= new AudioContext();
            peer.analyser = relay.ear.createAnalyser();
            relay.ear.createMediaStreamSource(element.srcObject).connect(peer.analyser);
        };
        relay.peers.push(peer);
        if (at.includes('/whep/')) {
            relay.ear ??= new AudioContext();
            const [tone, end] = [relay.ear.createOscillator(), relay.ear.createMediaStreamDestination()];
            tone.connect(end);
            tone.start();
            peer.addTrack(end.stream.getAudioTracks()[0], end.stream);
        }
        await peer.setRemoteDescription({ type: 'offer', sdp: offer });
        await peer.setLocalDescription(await peer.createAnswer());
        while (peer.iceGatheringState !== 'complete') await new Promise((done) => { peer.onicegatheringstatechange = done; });
        const location = new URL(at).pathname + '/talk' + relay.peers.length;
        const named = 'a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\\r\\n';
        const away = (sdp) => sdp.replace(/a=candidate.*\\r\\n/g, '').replace('a=end-of-candidates', 'a=x') + named;
        const sdp = relay.reach ? peer.localDescription.sdp : away(peer.localDescription.sdp);
        const answer = new Response(sdp, { status: 201, headers: { location, 'soundport-talker': '7' } });
        return Object.defineProperty(answer, 'url', { value: at });
    };
    export function ended() { return relay.ended; }
    // How loud it is at the newest talker's other end, 0..1.
    export function loudest() {
        const samples = new Float32Array(2048);
        relay.peers.at(-1).analyser.getFloatTimeDomainData(samples);
        return Math.max(...samples.map(Math.abs));
    }
    // A microphone that is played: a tone that can be turned, refused, and taken away.
    const mic = { error: '', gain: null, asked: [], tracks: [], listed: [] };
    const device = (deviceId, label) => ({ kind: 'audioinput', deviceId, label });
    const permission = Object.assign(new EventTarget(), { state: 'granted' });
    export function play_microphone(error) {
        Object.assign(mic, { error, asked: [], tracks: [], listed: [device('default', 'Default'), device('usb', 'Headset')] });
        permission.state = 'granted';
        relay.ear ??= new AudioContext();
        navigator.permissions.query = async () => permission;
        navigator.mediaDevices.enumerateDevices = async () => mic.listed;
        navigator.mediaDevices.getUserMedia = async ({ audio }) => {
            mic.asked.push(JSON.stringify(audio));
            if (mic.error === 'never') return new Promise(() => {});
            if (mic.error && !(mic.error === 'OverconstrainedError' && !audio.deviceId)) throw new DOMException('', mic.error);
            const [tone, gain, end] = [relay.ear.createOscillator(), relay.ear.createGain(), relay.ear.createMediaStreamDestination()];
            gain.gain.value = 0.25;
            tone.connect(gain).connect(end);
            tone.start();
            mic.gain = gain.gain;
            const [track] = end.stream.getAudioTracks();
            track.getSettings = () => ({ deviceId: audio.deviceId?.exact ?? 'default' });
            mic.tracks.push(track);
            return end.stream;
        };
    }
    export function turn_microphone(gain) { mic.gain.value = gain; }
    export function asked_for() { return mic.asked; }
    export function microphones() { return mic.tracks.filter((track) => track.readyState === 'live').length; }
    export function unlist(id) {
        mic.listed = mic.listed.filter(({ deviceId }) => deviceId !== id);
        navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    }
    export function unplug() { mic.tracks.at(-1).dispatchEvent(new Event('ended')); }
    export function permit(state) { permission.state = state; permission.dispatchEvent(new Event('change')); }
    export function change(list) { list.dispatchEvent(new Event('change', { bubbles: true })); }
    const session = { type: '' };
    Object.defineProperty(navigator, 'audioSession', { value: session });
    export function audio_session() { return session.type; }
    export function press(what, on, key) {
        const options = { bubbles: true, cancelable: true, button: 0, key };
        on.dispatchEvent(what.startsWith('key') ? new KeyboardEvent(what, options) : new PointerEvent(what, options));
    }
    const others = window.fetch;
    window.fetch = async (url, options) => {
        const at = String(url);
        if (options?.mode === 'no-cors' && relay.closed) return new Response('');
        if (!at.includes('/api/') && !at.includes('/whep/') && !at.includes('/whip/')) return others.call(window, url, options);
        relay.asked.push(at);
        if (at.endsWith('/api/ice')) {
            await new Promise((done) => setTimeout(done, 30));
            return new Response('{\"iceServers\":[{\"urls\":[\"turn:192.0.2.9:3478\"],\"username\":\"' + relay.asked.length + '\",\"credential\":\"x\"}]}');
        }
        if (at.endsWith('/api/streams')) {
            relay.asked.push('stream: ' + options.body);
            const { purpose } = JSON.parse(options.body);
            return new Response(JSON.stringify({ ticket: purpose + relay.asked.length }), { status: 201 });
        }
        if (relay.status < 0) throw new TypeError('nobody there');
        if (at.includes('/api/events')) return relay.streams ? events(options.signal) : new Response('{}', { status: 503 });
        if (at.includes('/api/sources')) return new Response(relay.list);
        if (options.method === 'DELETE') { relay.ended.push(at); return new Response('', { status: 200 }); }
        if (options.method !== 'POST') return new Response('', { status: Math.max(relay.status, 200) });
        relay.offers.push(options.body);
        if (relay.status > 0) return new Response(JSON.stringify({ detail: 'It says no.' }), { status: relay.status });
        if (at.includes('/api/streams')) return new Response('{\"ticket\":\"one\"}', { status: 201 });
        if (relay.full && at.includes('/whip/')) return new Response(JSON.stringify({ detail: 'It is full.' }), { status: 503, headers: { 'retry-after': '1' } });
        if (relay.answers && at.includes('/whep/')) return whip(at, options.body);
        if (at.includes('/whip/')) return whip(at.replace(/[?].*/, ''), options.body);
        return new Promise(() => {});
    };
")]
extern "C" {
    fn play(list: &str);
    fn reach(reached: bool);
    fn close_to_others();
    fn elsewhere(address: &str);
    fn take_away(name: &str);
    fn give_back(name: &str);
    fn sockets_open() -> u32;
    fn said() -> js_sys::Array;
    fn refuse(status: i32);
    fn answer_listeners(full: bool);
    fn refuse_streams();
    fn tell(name: &str, data: &str);
    fn end_stream();
    fn is_stream_open() -> bool;
    fn see(state: &str);
    fn sleep(millis: f64);
    fn offers() -> js_sys::Array;
    fn asked() -> js_sys::Array;
    fn ended() -> js_sys::Array;
    fn loudest() -> f32;
    fn play_microphone(error: &str);
    fn turn_microphone(gain: f32);
    fn asked_for() -> js_sys::Array;
    fn microphones() -> u32;
    fn unplug();
    fn unlist(id: &str);
    fn permit(state: &str);
    fn audio_session() -> String;
    fn change(list: &Element);
    fn press(what: &str, on: &Element, key: &str);
    fn input(slider: &Element);
}

/// How long something may take to come about, in looks 10 ms apart.
const LOOKS: u32 = 800;

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if so() {
            return;
        }
        TimeoutFuture::new(10).await;
    }
    panic!("waited in vain for {what}");
}

/// A source with a title made of its id.
pub(crate) fn source(id: &str, state: SourceState) -> Source {
    let title = format!("{}{}", id[..1].to_uppercase(), &id[1..]);
    let format = Some(Format { encoding: Encoding::L16, rate: 48_000, channels: 2, found: Found::Assumed });
    Source {
        id: id.into(),
        title,
        state,
        format,
        talk: false,
        talkback: None,
        room: false,
        listeners: 0,
        trouble: None,
    }
}

/// Changes what follows the hash in the page's address.
pub(crate) fn go_to(hash: &str) {
    web_sys::window().unwrap().location().set_hash(hash).unwrap();
}

/// Shows the tab, or hides it behind another.
pub(crate) fn show_tab(shown: bool) {
    see(if shown { "visible" } else { "hidden" });
}

/// Sets the clock ahead, as a machine finds it that slept.
pub(crate) fn sleep_for(secs: f64) {
    sleep(secs * 1_000.0);
}

/// The browser's answer to those who ask for a microphone: one that can be turned, or an error of this name.
pub(crate) fn microphone(error: &str) {
    play_microphone(error);
}

/// How loud the microphone hears, 0..1 and above.
pub(crate) fn speak(gain: f32) {
    turn_microphone(gain);
}

/// What the browser was asked for.
pub(crate) fn microphones_asked_for() -> Vec<String> {
    asked_for().iter().filter_map(|asked| asked.as_string()).collect()
}

/// How many microphones are in use.
pub(crate) fn microphones_in_use() -> u32 {
    microphones()
}

/// What the page says that its sound is for.
pub(crate) fn sound_is_for() -> String {
    audio_session()
}

/// Takes the microphone away.
pub(crate) fn unplug_microphone() {
    unplug();
}

/// The browser lists the device no more.
pub(crate) fn unlist_microphone(id: &str) {
    unlist(id);
}

/// The browser's permission changes.
pub(crate) fn set_permission(state: &str) {
    permit(state);
}

/// Does something with the pointer or a key, on an element or anywhere.
pub(crate) fn hand(what: &str, stage: &Stage, selector: Option<&str>) {
    let body = document().body().unwrap();
    let on = selector.map_or_else(|| body.into(), |selector| stage.one(selector));
    press(what, &on, " ");
}

/// Has a page begin whose relay is at another address; an empty one for a page's own.
pub(crate) fn relay_is_at(address: &str) {
    elsewhere(address);
}

/// Runs something in a browser that lacks these.
pub(crate) async fn without(names: &[&str], run: impl AsyncFnOnce()) {
    names.iter().for_each(|name| take_away(name));
    run().await;
    names.iter().for_each(|name| give_back(name));
}

/// The tab's title.
pub(crate) fn tab_title() -> String {
    document().title()
}

/// Something of the page, mounted; taken away when dropped.
pub(crate) struct Stage {
    root: Element,
    take_away: Option<Box<dyn FnOnce()>>,
}

impl Stage {
    /// One card as it looks in a state.
    pub(crate) async fn card(source: Source, phase: Phase) -> Self {
        let root = root();
        let on = !matches!(phase, Phase::Ready | Phase::Failed(_));
        let view = View { phase, on, ..View::default() };
        let props = SourceCardProps { source, view, levels: LevelBoard::default(), act: Callback::noop() };
        let handle = yew::Renderer::<SourceCard>::with_root_and_props(root.clone(), props).render();
        let stage = Self { root, take_away: Some(Box::new(move || handle.destroy())) };
        until("the card", || stage.find(".card").is_some()).await;
        stage
    }

    /// The whole page, with a relay that lists live sources with these ids, and never answers an offer.
    pub(crate) async fn app(ids: &[&str]) -> Self {
        let list: Vec<Source> = ids.iter().map(|id| source(id, SourceState::Live)).collect();
        Self::with(&list).await
    }

    /// The whole page, with a relay that lists these sources, and answers talkers alone.
    pub(crate) async fn with(list: &[Source]) -> Self {
        play(&serde_json::to_string(list).unwrap());
        let root = root();
        let handle = yew::Renderer::<App>::with_root(root.clone()).render();
        let stage = Self { root, take_away: Some(Box::new(move || handle.destroy())) };
        until("the page", || stage.find(".card, [data-notice]").is_some()).await;
        stage
    }

    /// From here on the relay has no stream of events for this page.
    pub(crate) fn relay_refuses_streams(&self) {
        refuse_streams();
    }

    /// The relay tells an event.
    pub(crate) fn relay_tells(&self, name: &str, data: &impl serde::Serialize) {
        tell(name, &serde_json::to_string(data).unwrap());
    }

    /// The relay's stream of events ends.
    pub(crate) fn stream_ends(&self) {
        end_stream();
    }

    /// Whether the page holds a stream of the relay's events.
    pub(crate) fn has_stream(&self) -> bool {
        is_stream_open()
    }

    /// How often the relay was asked for something whose address holds this.
    pub(crate) fn times_asked(&self, part: &str) -> usize {
        asked().iter().filter_map(|at| at.as_string()).filter(|at| at.contains(part)).count()
    }

    /// The ids of the cards, in their order.
    pub(crate) fn cards(&self) -> Vec<String> {
        let cards = self.root.query_selector_all(".card").unwrap();
        let id = |index| cards.get(index)?.dyn_into::<Element>().ok()?.get_attribute("data-source");
        (0..cards.length()).filter_map(id).collect()
    }

    /// Types into a field.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let field: HtmlInputElement = self.one(selector).dyn_into().unwrap();
        field.set_value(text);
        input(&field);
    }

    /// Chooses from a list by what is read there.
    pub(crate) fn choose(&self, selector: &str, label: &str) {
        let list = self.one(selector);
        let options = list.query_selector_all("option").unwrap();
        let mut all = (0..options.length()).filter_map(|place| options.get(place));
        let wanted = all.find(|option| option.text_content().as_deref() == Some(label)).unwrap();
        js_sys::Reflect::set(&wanted, &"selected".into(), &true.into()).unwrap();
        change(&list);
    }

    /// Takes the part away, and waits until it is.
    pub(crate) async fn close(self) {
        let root = self.root.clone();
        drop(self);
        until("the end of the page", || !root.is_connected()).await;
    }

    /// From here on the relay does not answer.
    pub(crate) fn relay_goes_away(&self) {
        refuse(-1);
    }

    /// From here on the relay answers those who listen, too; and for talkers it is full, or not.
    pub(crate) fn relay_answers_listeners(&self, full: bool) {
        answer_listeners(full);
    }

    /// From here on the relay's addresses lead somewhere, or nowhere.
    pub(crate) fn relay_is_reached(&self, reached: bool) {
        reach(reached);
    }

    /// From here on the relay does not let this page read what it says.
    pub(crate) fn relay_closes(&self) {
        close_to_others();
    }

    /// How many streams there are.
    pub(crate) fn streams(&self) -> u32 {
        sockets_open()
    }

    /// How many packets were sent over streams.
    pub(crate) fn packets_said(&self) -> u32 {
        said().length()
    }

    /// What the relay was asked, and what else is noted beside, where it holds this.
    pub(crate) fn asked(&self, part: &str) -> Vec<String> {
        asked().iter().filter_map(|at| at.as_string()).filter(|at| at.contains(part)).collect()
    }

    /// From here on the relay refuses every offer (0: none).
    pub(crate) fn relay_refuses(&self, status: i32) {
        refuse(status);
    }

    /// The sessions that the relay was told to end.
    pub(crate) fn ended(&self) -> Vec<String> {
        ended().iter().filter_map(|at| at.as_string()).collect()
    }

    /// Whether the relay hears something of the newest talker just now.
    pub(crate) fn is_heard(&self) -> bool {
        loudest() > 0.01
    }

    /// The offers that the relay was sent.
    pub(crate) fn offers(&self) -> Vec<String> {
        offers().iter().filter_map(|offer| offer.as_string()).collect()
    }

    /// An element, if it is there.
    pub(crate) fn find(&self, selector: &str) -> Option<Element> {
        self.root.query_selector(selector).unwrap()
    }

    /// An element that must be there.
    pub(crate) fn one(&self, selector: &str) -> Element {
        self.find(selector).unwrap_or_else(|| panic!("no {selector} in {}", self.root.inner_html()))
    }

    /// An element's attribute.
    pub(crate) fn attribute(&self, selector: &str, name: &str) -> String {
        self.one(selector).get_attribute(name).unwrap_or_default()
    }

    /// An element's text.
    pub(crate) fn text(&self, selector: &str) -> String {
        self.one(selector).text_content().unwrap_or_default()
    }

    /// Clicks.
    pub(crate) fn click(&self, selector: &str) {
        self.html(selector).click();
    }

    /// Gives the keyboard to an element.
    pub(crate) fn focus(&self, selector: &str) {
        self.html(selector).focus().unwrap();
    }

    /// Whether an element has the keyboard.
    pub(crate) fn has_focus(&self, selector: &str) -> bool {
        document().active_element() == Some(self.one(selector))
    }

    fn html(&self, selector: &str) -> HtmlElement {
        self.one(selector).dyn_into().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(take_away) = self.take_away.take() {
            take_away();
        }
        self.root.remove();
    }
}

fn root() -> Element {
    let root = document().create_element("div").unwrap();
    document().body().unwrap().append_child(&root).unwrap();
    root
}

fn document() -> Document {
    web_sys::window().unwrap().document().unwrap()
}
