// The last rung: sound over the connection that the page came by, where WebRTC does not get through. Loaded only then.
//
// The relay sends Opus packets over a WebSocket; WebCodecs decodes them, and a ring on the audio thread (ring.js) plays them. The microphone
// takes the same way back. The page looks at a line as it looks at a WebRTC connection: its fields say how it stands.

const RATE = 48_000;
const RING = new URL("ring.js" + new URL(import.meta.url).search, import.meta.url).href;

/** A relay that has not answered by now will not. */
const ANSWER_WITHIN = 6_000;

/** How often the round trip is measured, in milliseconds. */
const ECHO_EVERY = 2_000;

/** A relay that says nothing to a question for so long is gone. */
const DEAD_AFTER = 7_000;

/** What a voice and music take, in bits a second. */
const VOICE = 32_000;
const MUSIC = 128_000;

/** A packet of silence (RFC 6716, section 3.1: 20 ms, mono), by which a decoder warms up. */
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe);

/** What has come is played to its end when a line ends. */
const PLAYED_OUT_AFTER = 1_000;

/** Where more than so many seconds of speech wait to be sent, the newest is dropped: late speech is worse than a gap. */
const MOST_UNSENT = 0.3;

/** Over so many pieces of sound, a second or two, it is looked whether a decoder swallows packets; so many may wait for it. */
const LOOKED_OVER = 100;
const MOST_DECODING = 500;

/** Whether the last WebSocket closed before the relay said anything by it. */
let shut = false;

const loaded = new WeakMap();
let failures = 0;

/** Loads the audio thread's part into a context, once. */
const load = (context) => {
  if (!loaded.has(context)) {
    // What failed once is not asked for again by a browser: only by another address.
    const loading = context.audioWorklet.addModule(failures ? `${RING}&try=${failures}` : RING);
    loaded.set(context, loading);
    loading.catch(() => {
      failures += 1;
      loaded.delete(context);
    });
  }
  return loaded.get(context);
};

/** One WebSocket with its sound. `phase` is `opening`, `open`, `refused` or `closed`. */
class Line {
  constructor() {
    Object.assign(this, { phase: "opening", packets: 0, bytes: 0, unsent: 0, report: null, roundTrip: null, ends: [] });
    this.opened = performance.now();
  }

  /** Asks for a ticket, and opens the WebSocket with it once `ready` is. */
  async open(base, request, ready, take) {
    this.ends.push(() => this.socket?.close());
    try {
      const [ticket] = await Promise.all([this.ticket(base, request), ready]);
      if (!ticket || this.phase !== "opening") return;
      const socket = new WebSocket(new URL("stream", base).href.replace(/^http/, "ws"), ["soundport", "ticket." + ticket]);
      this.socket = socket;
      let unechoed = null;
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => {
        if (typeof data !== "string") {
          this.packets += 1;
          this.bytes += data.byteLength;
          take(data);
        } else if (this.phase === "opening") {
          Object.assign(this, JSON.parse(data), { phase: "open" });
          shut = false;
        } else {
          this.roundTrip = performance.now() - Number(data);
          unechoed = null;
        }
      };
      socket.onclose = () => {
        shut ||= this.phase === "opening";
        this.end("closed");
      };
      let [asked, answered] = [0, 0];
      socket.addEventListener("message", () => {
        answered = performance.now();
      });
      const echo = setInterval(() => {
        if (asked > answered && performance.now() - asked > DEAD_AFTER) return this.end("closed");
        if (asked <= answered) asked = performance.now();
        // What is still on its way has taken so long already.
        if (unechoed === null) unechoed = performance.now();
        else this.roundTrip = Math.max(this.roundTrip, performance.now() - unechoed);
        if (socket.readyState === WebSocket.OPEN) socket.send(String(performance.now()));
      }, ECHO_EVERY);
      this.ends.push(() => clearInterval(echo));
    } catch (error) {
      this.refuse(0, error instanceof Unable ? error.message : "");
    }
  }

  async ticket(base, request) {
    const answer = await fetch(new URL("api/streams", base), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    if (answer.status === 201) return (await answer.json()).ticket;
    const problem = await answer.json().catch(() => ({}));
    const after = answer.headers.get("retry-after");
    this.refuse(answer.status, problem.detail ?? "", after === null ? null : Number(after));
  }

  refuse(status, detail, retryAfter = null) {
    if (this.phase === "opening") Object.assign(this, { status, detail, retryAfter });
    this.end("refused");
  }

  /** Ends it, and lets go of everything. */
  end(phase) {
    if (this.phase === "refused" || this.phase === "closed") return;
    this.phase = phase;
    for (const end of this.ends.reverse()) end();
  }

  close() {
    this.end("closed");
  }
}

/** This browser cannot, and says why. */
class Unable extends Error {}

const able = async (part, name) => {
  if (!globalThis.isSecureContext) throw new Unable("Open this page over https to hear it this way.");
  const codec = globalThis[name];
  const config = { codec: "opus", sampleRate: RATE, numberOfChannels: 2, bitrate: VOICE };
  const supported = codec && globalThis.AudioWorkletNode && (await codec.isConfigSupported(config).catch(() => null))?.supported;
  if (!supported) throw new Unable(`This browser cannot ${part} without WebRTC.`);
};

/** Hears a source, and plays it into a node. */
class Listener extends Line {
  constructor(base, source, into) {
    super();
    const context = into.context;
    this.open(base, { source, purpose: "listen" }, this.prepare(context, into), (data) => this.take(data));
  }

  async prepare(context, into) {
    await able("play this", "AudioDecoder");
    await load(context);
    if (this.phase !== "opening") return;
    const node = new AudioWorkletNode(context, "soundport-ring", { numberOfInputs: 0, outputChannelCount: [2] });
    this.port = node.port;
    this.port.onmessage = ({ data }) => {
      this.report = data;
    };
    if (this.held) this.hold(this.held);
    node.connect(into);
    this.decode();
    this.ends.push(() => {
      if (this.decoder.state !== "closed") this.decoder.close();
      setTimeout(() => {
        this.port.postMessage({});
        node.disconnect();
      }, PLAYED_OUT_AFTER);
    });
    // The first packet takes the longest by far: its time must not pass for the network's.
    this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: 0, data: SILENCE }));
    await this.decoder.flush();
  }

  decode() {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    Object.assign(this, { times: [], over: Infinity, looks: 0 });
    this.decoder = new AudioDecoder({
      output: (sound) => this.play(sound),
      // A packet that is none leaves the decoder closed: the next one gets another.
      error: () => this.phase === "open" && this.decode(),
    });
    this.decoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: 2 });
  }

  /** Takes a packet with its time before it: 32 bits that begin anew. */
  take(data) {
    if (data.byteLength <= 4) return;
    const time = new DataView(data).getUint32(0);
    this.time = this.time === undefined ? time : this.time + ((time - this.time) | 0);
    if (this.times.length === MOST_DECODING) this.decode();
    this.times.push(this.time);
    const timestamp = Math.round((this.time * 1e6) / RATE);
    this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: new Uint8Array(data, 4) }));
  }

  play(sound) {
    // Its own time may be of no use: Chromium counts on from the first, as if the source had never been silent.
    const time = this.times.shift();
    if (time === undefined) return sound.close();
    this.over = Math.min(this.over, this.times.length);
    this.looks += 1;
    if (this.looks === LOOKED_OVER) {
      // Times that were left over all along are those of packets that nothing came of.
      this.times.splice(0, this.over);
      Object.assign(this, { over: Infinity, looks: 0 });
    }
    const side = (planeIndex) => {
      const samples = new Float32Array(sound.numberOfFrames);
      sound.copyTo(samples, { planeIndex, format: "f32-planar" });
      return samples;
    };
    const left = side(0);
    const right = sound.numberOfChannels > 1 ? side(1) : left.slice();
    sound.close();
    this.port.postMessage({ time, left, right }, [left.buffer, right.buffer]);
  }

  /** Keeps at least this delay, in milliseconds. */
  hold(millis) {
    this.held = millis;
    this.port?.postMessage({ hold: millis });
  }
}

/** Sends what a microphone hears. */
class Talker extends Line {
  constructor(base, source, listener, track, context, stereo) {
    super();
    Object.assign(this, { channels: stereo ? 2 : 1, bitrate: stereo ? MUSIC : VOICE, sent: 0 });
    const request = { source, purpose: "talk", ...(listener && { with: listener }) };
    this.hear(track);
    this.open(base, request, this.prepare(context), () => {});
  }

  async prepare(context) {
    await able("speak", "AudioEncoder");
    await load(context);
    if (this.phase !== "opening") return;
    const { channels, bitrate } = this;
    this.node = new AudioWorkletNode(context, "soundport-microphone", {
      channelCount: channels,
      channelCountMode: "explicit",
      processorOptions: { channels },
    });
    this.encoder = new AudioEncoder({ output: (packet) => this.send(packet), error: () => this.end("closed") });
    const opus = { frameDuration: 20_000 };
    this.encoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: channels, bitrate, opus });
    this.node.port.onmessage = ({ data }) => this.encode(data);
    // What nobody plays is not heard either; this plays silence.
    this.node.connect(context.destination);
    this.hear(this.track);
    this.ends.push(() => {
      this.node.port.postMessage(null);
      this.node.disconnect();
      this.source?.disconnect();
      if (this.encoder.state !== "closed") this.encoder.close();
    });
  }

  /** Sends what another microphone hears, as soon as there is something that sends. It never throws. */
  hear(track) {
    this.track = track;
    if (!this.node) return;
    this.source?.disconnect();
    try {
      this.source = this.node.context.createMediaStreamSource(new MediaStream([track]));
      this.source.connect(this.node);
    } catch {
      this.end("closed");
    }
  }

  encode(data) {
    if (this.phase !== "open") return;
    const { channels } = this;
    const numberOfFrames = data.length / channels;
    const timestamp = Math.round((this.sent * 1e6) / RATE);
    this.sent += numberOfFrames;
    const sound = { format: "f32-planar", sampleRate: RATE, numberOfFrames, numberOfChannels: channels, timestamp, data };
    const spoken = new AudioData(sound);
    this.encoder.encode(spoken);
    spoken.close();
  }

  send(packet) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > (MOST_UNSENT * this.bitrate) / 8) {
      this.unsent += 1;
      return;
    }
    const data = new Uint8Array(4 + packet.byteLength);
    new DataView(data.buffer).setUint32(0, Math.round((packet.timestamp * RATE) / 1e6) >>> 0);
    packet.copyTo(data.subarray(4));
    this.packets += 1;
    this.bytes += data.byteLength;
    this.socket.send(data);
  }
}

/** The addresses that the relay's answer names, such as `192.0.2.1:8443/udp` (RFC 8839, section 5.1). */
const addresses = (answer) =>
  [...answer.matchAll(/^a=candidate:\S+ \d+ (\w+) \d+ (\S+) (\d+) /gm)].map(
    ([, protocol, host, port]) => `${host.includes(":") ? `[${host}]` : host}:${port}/${protocol.toLowerCase()}`,
  );

/** Names one after the other, such as `a, b and c`. */
const listed = (names, last) => [names.slice(0, -1).join(", "), ...names.slice(-1)].filter(Boolean).join(` ${last} `);

/**
 * Why WebRTC does not get through, and what to do: by the relay's answer, empty where none came; whether it allows no way but TURN; whether
 * it knows where browsers reach it; its host as the page knows it; and what else is known of the trouble.
 */
const hint = (answer, turnOnly, announced, host, ...troubles) => {
  const offered = addresses(answer);
  const said = [];
  if (!globalThis.RTCPeerConnection) {
    said.push("This browser has no WebRTC, by which the sound would come sooner.");
  } else if (!answer) {
    said.push("WebRTC does not connect here.");
  } else if (turnOnly) {
    said.push("The relay allows no way but TURN, and none of its TURN servers leads this browser to it.");
  } else if (offered.length === 0) {
    said.push("The relay offers no address: it must be able to resolve the names that it announces.");
  } else {
    said.push(`The relay offers ${listed(offered, "and")}, which this browser does not reach.`);
    const isLocal = /^(localhost|127\..*|\[::1\])$/.test(host);
    const ports = [...new Set(offered.map((address) => address.split(":").pop()))];
    const isOffered = offered.some((address) => address.startsWith(host + ":"));
    if (announced || isLocal || isOffered) said.push(`Open ${listed(ports, "or")} on the way to it.`);
    else said.push(`Start the relay with --announce ${host}.`);
  }
  if (shut) said.push("The WebSocket did not open: a proxy must pass on Upgrade and Connection.");
  return [...said, ...troubles.filter(Boolean)].join(" ");
};

globalThis.soundportStream = {
  hint,
  listen: (base, source, into) => new Listener(base, source, into),
  talk: (base, source, listener, track, context, stereo) => new Talker(base, source, listener, track, context, stereo),
};
