// Runs before the page's own scripts: remembers its peer connections, and records what it sends to the loudspeaker.
(() => {
  const KEPT_SECONDS = 60;
  const RECORDER = `registerProcessor("tap", class extends AudioWorkletProcessor {
    constructor() { super(); this.begin(); }
    begin() { this.left = new Float32Array(1024); this.right = new Float32Array(1024); this.times = []; this.length = 0; }
    process([input]) {
      if (input[0]) { this.left.set(input[0], this.length); this.right.set(input[1] || input[0], this.length); }
      this.times.push(Date.now());
      this.length += 128;
      if (this.length === 1024) {
        this.port.postMessage({ left: this.left, right: this.right, times: this.times });
        this.begin();
      }
      return true;
    }
  });`;

  const tap = { peers: [], chunks: [], dropped: 0, rate: 0, clicked: 0, error: null };
  window.soundportTap = tap;

  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...rest) {
      super(...rest);
      tap.peers.push(this);
    }
  };

  // The moment of the latest click, in milliseconds of the epoch.
  document.addEventListener("click", (event) => { tap.clicked = performance.timeOrigin + event.timeStamp; }, true);

  const Context = window.AudioContext;
  window.AudioContext = class extends Context {
    constructor(...rest) {
      super(...rest);
      // Ready before the first sound is.
      recorder(this).catch((error) => { tap.error = String(error); });
    }
  };

  const connect = AudioNode.prototype.connect;
  const recorders = new Map();
  const recorder = (context) => {
    if (!recorders.has(context)) recorders.set(context, record(context));
    return recorders.get(context);
  };
  const record = async (context) => {
    const module = URL.createObjectURL(new Blob([RECORDER], { type: "text/javascript" }));
    await context.audioWorklet.addModule(module);
    const node = new AudioWorkletNode(context, "tap", {
      numberOfOutputs: 1, channelCount: 2, channelCountMode: "explicit", channelInterpretation: "speakers",
    });
    tap.rate = context.sampleRate;
    node.port.onmessage = ({ data }) => {
      tap.chunks.push(data);
      if (tap.chunks.length * 1024 > KEPT_SECONDS * tap.rate) { tap.chunks.shift(); tap.dropped += 1; }
    };
    // Its output is silent: only what leads to a loudspeaker is computed.
    connect.call(node, context.destination);
    return node;
  };
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode && this.context instanceof Context) {
      recorder(this.context).then((node) => connect.call(this, node), (error) => { tap.error = String(error); });
    }
    return connect.call(this, target, ...rest);
  };

  const base64 = (buffer) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.readAsDataURL(new Blob([buffer]));
  });

  // How much was heard so far, to hand out what comes after it.
  tap.mark = () => tap.chunks.length + tap.dropped;

  // The frames heard since a mark, with the time at which each block of 128 came into the graph.
  tap.since = async (mark) => {
    const chunks = tap.chunks.slice(Math.max(0, mark - tap.dropped));
    const samples = new Float32Array(chunks.length * 2048);
    chunks.forEach(({ left, right }, chunk) => {
      for (let frame = 0; frame < 1024; frame += 1) {
        samples[chunk * 2048 + frame * 2] = left[frame];
        samples[chunk * 2048 + frame * 2 + 1] = right[frame];
      }
    });
    const times = chunks.flatMap(({ times }) => times);
    return { rate: tap.rate, error: tap.error, times, samples: await base64(samples.buffer) };
  };

  // What is heard from now on for `seconds`.
  tap.record = async (seconds) => {
    const deadline = performance.now() + seconds * 1000 + 5000;
    const mark = tap.mark();
    const enough = () => tap.rate && (tap.mark() - mark) * 1024 >= seconds * tap.rate;
    while (!enough() && performance.now() < deadline) await new Promise((done) => setTimeout(done, 5));
    return await tap.since(mark);
  };

  // Milliseconds from the latest click to the first sample after it that is louder than `level`, once there is one.
  tap.firstSound = (level) => {
    for (const { left, right, times } of tap.chunks) {
      const index = left.findIndex((sample, at) => {
        return times[at >> 7] >= tap.clicked && Math.max(Math.abs(sample), Math.abs(right[at])) > level;
      });
      if (index >= 0) return times[index >> 7] - tap.clicked;
    }
    return null;
  };

  // The statistics of the newest session's received sound.
  tap.inbound = async () => {
    const open = tap.peers.filter((peer) => peer.connectionState === "connected");
    if (!open.length) return null;
    const report = await open[open.length - 1].getStats();
    return [...report.values()].find((entry) => entry.type === "inbound-rtp" && entry.kind === "audio") || null;
  };
})();
