// What the last rung does on the audio thread: plays evenly what comes unevenly, and collects what a microphone hears.
//
// Loaded only where WebRTC does not get through (stream.js). Frames are at 48 kHz, as Opus decodes, whatever the loudspeaker's rate is.

const RATE = 48_000;
const MILLI = RATE / 1_000;

/** Frames that are kept at most: 5.5 s, a power of two. */
const CAPACITY = 1 << 18;
const MASK = CAPACITY - 1;

/** The delay that is aimed at: at first, and between which bounds. */
const FIRST_TARGET = 60 * MILLI;
const LEAST_TARGET = 40 * MILLI;
const MOST_TARGET = 400 * MILLI;
const FIRST_FRAMES = 2 * RATE;

/** What is aimed at beyond the latest arrival of late. */
const MARGIN = 20 * MILLI;

/** Where the delay is further off than this it is brought back, and where it is further over than that by one jump. */
const SLACK = 12 * MILLI;
const FAR = 360 * MILLI;

/** Sound that is older than the last was sent twice; where so much of it comes alone, the source's clock was set back. */
const SET_BACK = 100 * MILLI;

/** Pieces of sound fade into each other for so long. */
const JOIN = 5 * MILLI;

/** Between these a period is looked for: 67 to 400 Hz. */
const SHORTEST = 2.5 * MILLI;
const LONGEST = 15 * MILLI;

/** Sound that is made up stays as it is for this long, and has faded to silence after that. */
const STEADY = 20 * MILLI;
const FADED = 80 * MILLI;

/** After a stall its sound comes in one go: it is waited for this long, to go on at its end. */
const SETTLE = 60 * MILLI;

/** The extreme of what was seen of late, in so many slots of equal length. */
class Extreme {
  constructor(slotFrames, slots, worst, better) {
    Object.assign(this, { slotFrames, worst, better, slot: 0, values: new Float64Array(slots).fill(worst) });
  }

  take(value, now) {
    this.value(now);
    const at = this.slot % this.values.length;
    this.values[at] = this.better(this.values[at], value);
  }

  value(now) {
    const slot = Math.floor(now / this.slotFrames);
    for (const end = Math.min(slot, this.slot + this.values.length); this.slot < end; ) {
      this.slot += 1;
      this.values[this.slot % this.values.length] = this.worst;
    }
    this.slot = slot;
    return this.values.reduce(this.better);
  }
}

/**
 * Takes decoded sound with its media time, and gives it out evenly.
 *
 * Its delay is how much later a frame is played than the earliest of late would have allowed: it aims at what the unevenness of arrivals
 * asks for, and is changed by whole periods of the sound, so that the pitch stays. All times are in frames.
 */
export class Ring {
  /** @param {number} rate that of the loudspeaker, in Hz */
  constructor(rate) {
    this.step = RATE / rate;
    this.sound = [new Float32Array(CAPACITY), new Float32Array(CAPACITY)];
    this.period = [new Float32Array(LONGEST), new Float32Array(LONGEST)];
    this.hold = 0;
    this.read = LONGEST + JOIN;
    this.write = this.read;
    this.part = 0;
    this.tail = null;
    this.old = 0;
    this.made = FADED;
    this.lag = SHORTEST;
    this.settleAt = null;
    this.nextChange = 0;
    this.counted = { played: 0, concealed: 0, skipped: 0 };
    this.forget(0);
  }

  /** Takes sound that begins at media time `time`; `now` counts up with the loudspeaker's clock. */
  put(time, left, right, now) {
    const gap = this.tail === null ? NaN : time - this.tail;
    this.old = gap < 0 ? this.old + left.length : 0;
    if (gap > -RATE && this.old > 0 && this.old < SET_BACK) return;
    this.old = 0;
    if (!(gap >= 0)) this.forget(now);
    this.earliest.take(now - time, now);
    const late = now - time - this.earliest.value(now);
    this.latest.take(late, now);
    if (this.write - this.read > CAPACITY - 3 * RATE) this.drop(left.length);
    // Sound that comes late was made up for; where there was none the source was silent.
    if (gap === 0 && this.settleAt === null) this.counted.concealed += Math.min(this.made, FADED);
    if (this.made >= FADED && this.settleAt === null) {
      this.begin(late, now);
    } else if (gap > 0) {
      this.counted.concealed += Math.min(gap, FADED);
      this.extend(Math.min(gap, RATE));
    }
    this.join([left, right]);
    this.tail = time + left.length;
  }

  /** Fills what the loudspeaker plays next. */
  play(left, right, now) {
    if (this.tail === null) return;
    this.settle(now);
    this.adapt(now);
    const wanted = Math.ceil(left.length * this.step) + 3 + JOIN;
    if (this.settleAt !== null) {
      // What has come waits behind the silence that is played.
      left.fill(0);
      right.fill(0);
      return;
    }
    if (this.write - this.read < wanted) this.extend(wanted - (this.write - this.read));
    for (let frame = 0; frame < left.length; frame += 1) {
      left[frame] = this.at(0);
      right[frame] = this.at(1);
      this.part += this.step;
      const whole = Math.floor(this.part);
      this.part -= whole;
      this.read += whole;
    }
    this.counted.played += left.length * this.step;
  }

  /** How much later sound is played than it could have been. */
  delay(now) {
    return now - this.earliest.value(now) - (this.tail - (this.write - this.read));
  }

  /** The delay that is aimed at. */
  target(now) {
    const least = Math.max(LEAST_TARGET, this.hold, now - this.begunAt < FIRST_FRAMES ? FIRST_TARGET : 0);
    return Math.max(least, Math.min(MOST_TARGET, this.latest.value(now) + MARGIN));
  }

  /** The figures for people, times in milliseconds. */
  report(now) {
    const idle = this.tail === null || this.made >= FADED;
    return {
      delay: idle ? null : this.delay(now) / MILLI,
      jitter: this.latest.value(now) / MILLI,
      ...this.counted,
    };
  }

  forget(now) {
    this.begunAt = now;
    this.earliest = new Extreme(RATE, 8, Infinity, (a, b) => Math.min(a, b));
    this.latest = new Extreme(RATE / 4, 8, 0, (a, b) => Math.max(a, b));
  }

  /** Sound after silence: it waits as long as is aimed at, and after a stall until all of it has come. */
  begin(late, now) {
    this.write = this.read + JOIN;
    this.clear(this.read, this.write);
    if (late > this.target(now) + FAR) {
      this.settleAt = now + SETTLE;
      this.made = FADED;
    } else {
      this.extend(Math.max(0, Math.floor(this.target(now) - late) - JOIN));
    }
  }

  /** A stall is over: what came of it is skipped up to where it should be. */
  settle(now) {
    if (this.settleAt === null || now < this.settleAt) return;
    this.settleAt = null;
    const over = Math.floor(this.delay(now) - this.target(now));
    const most = this.write - this.read - LONGEST - JOIN;
    const skipped = Math.max(0, Math.min(over, most));
    this.counted.skipped += skipped;
    this.read += skipped;
    this.fadeIn(this.read);
    this.rest(now);
  }

  /** Brings the delay to where it should be. */
  adapt(now) {
    if (this.settleAt !== null || this.made > 0 || now < this.nextChange) return;
    const over = this.delay(now) - this.target(now);
    if (over > FAR) this.jump(Math.floor(over), now);
    else if (over > SLACK) this.shrink(over, now);
    else if (over < -SLACK) this.grow(over, now);
  }

  /** Leaves out a period, the faster the more there is too much. */
  shrink(over, now) {
    const most = Math.min(LONGEST, Math.floor(over));
    if (this.write - this.read < 2 * LONGEST + 2 * JOIN) return;
    const { lag, alike, loud } = this.bestLag(this.read, 1, SHORTEST, most);
    const urgent = over > 5 * SLACK;
    if (loud && alike < 0.4 && !urgent) return this.rest(now);
    this.fade(this.read, this.read + lag, lag);
    this.read += lag;
    this.counted.skipped += lag;
    this.rest(now, (urgent ? 3 : 8) * lag);
  }

  /** Plays a period twice. */
  grow(over, now) {
    if (this.write - this.read < LONGEST + JOIN) return;
    const { lag, alike, loud } = this.bestLag(this.read, -1, SHORTEST, LONGEST);
    if (loud && alike < 0.4 && over > -3 * SLACK) return this.rest(now);
    this.fade(this.read, this.read - lag, lag);
    this.read -= lag;
    this.rest(now, 6 * lag);
  }

  /** Goes on further ahead, where the sound is most like what is left. */
  jump(over, now) {
    const length = 2 * JOIN;
    const most = this.write - this.read - length - 2 * JOIN;
    const ahead = Math.min(over, most);
    if (ahead < FAR / 2) return;
    const { lag } = this.bestLag(this.read, 1, ahead - LONGEST, ahead);
    this.fade(this.read, this.read + lag, length);
    this.read += lag;
    this.counted.skipped += lag;
    this.rest(now);
  }

  /** After a change the sound behind must have been played before it is used again. */
  rest(now, frames = 0) {
    this.nextChange = now + Math.max(frames, LONGEST + JOIN);
  }

  /** Makes up frames: the last period again and again, more and more softly. */
  extend(frames) {
    if (this.made === 0) this.remember();
    for (let frame = 0; frame < frames; frame += 1) {
      for (const side of [0, 1]) this.sound[side][(this.write + frame) & MASK] = this.madeUp(side, frame);
    }
    this.write += frames;
    this.made += frames;
  }

  /** Keeps the period that ends where the sound does, and bends its end so that it can begin again. */
  remember() {
    const end = this.write;
    const bent = Math.min(JOIN, end - this.read);
    this.lag = this.bestLag(end - 2 * JOIN, -1, SHORTEST, LONGEST).lag;
    for (const [side, sound] of this.sound.entries()) {
      for (let frame = 0; frame < bent; frame += 1) {
        const at = end - bent + frame;
        const share = (frame + 1) / (bent + 1);
        sound[at & MASK] = sound[at & MASK] * (1 - share) + sound[(at - this.lag) & MASK] * share;
      }
      for (let frame = 0; frame < this.lag; frame += 1) {
        this.period[side][frame] = sound[(end - this.lag + frame) & MASK];
      }
    }
  }

  madeUp(side, frame) {
    const age = this.made + frame;
    if (age >= FADED) return 0;
    const gain = age < STEADY ? 1 : (FADED - age) / (FADED - STEADY);
    return this.period[side][age % this.lag] * gain;
  }

  /** Puts sound behind what there is. */
  join(sides) {
    const bent = this.made > 0 ? Math.min(JOIN, sides[0].length) : 0;
    for (const side of [0, 1]) {
      const [from, to] = [sides[side], this.sound[side]];
      for (let frame = 0; frame < from.length; frame += 1) {
        const share = frame < bent ? (frame + 1) / (bent + 1) : 1;
        const before = share < 1 ? this.madeUp(side, frame) * (1 - share) : 0;
        to[(this.write + frame) & MASK] = from[frame] * share + before;
      }
    }
    this.write += sides[0].length;
    this.made = 0;
  }

  /** There is no room: the oldest goes. */
  drop(frames) {
    this.read += frames;
    this.counted.skipped += frames;
  }

  clear(from, to) {
    for (let at = from; at < to; at += 1) for (const sound of this.sound) sound[at & MASK] = 0;
  }

  fadeIn(from) {
    for (let frame = -1; frame < JOIN; frame += 1) {
      for (const sound of this.sound) sound[(from + frame) & MASK] *= Math.max(0, frame) / JOIN;
    }
  }

  /** Lets the sound at `from` fade into that at `to`, where it is left. */
  fade(from, to, frames) {
    for (let index = 0; index < frames; index += 1) {
      const share = (index + 1) / (frames + 1);
      for (const sound of this.sound) {
        const at = (to + index) & MASK;
        sound[at] = sound[(from + index) & MASK] * (1 - share) + sound[at] * share;
      }
    }
  }

  /** How far from `at`, ahead (1) or behind (-1), the sound is most like the sound there. */
  bestLag(at, way, least, most) {
    const window = 2 * JOIN;
    const here = this.mono(at, window);
    const own = here.reduce((sum, value) => sum + value * value, 0);
    const from = way > 0 ? at + least : at - most;
    const there = this.mono(from, window + most - least);
    let best = { lag: Math.max(least, Math.min(most, LONGEST)), alike: -1, loud: own / window > 1e-7 };
    if (!best.loud) return best;
    for (let shift = 0; shift <= most - least; shift += 1) {
      let [both, other] = [0, 1e-9];
      for (let frame = 0; frame < window; frame += 2) {
        both += here[frame] * there[frame + shift];
        other += there[frame + shift] * there[frame + shift];
      }
      const alike = both / Math.sqrt((own / 2) * other);
      if (alike > best.alike) best = { lag: way > 0 ? least + shift : most - shift, alike, loud: true };
    }
    return best;
  }

  mono(from, frames) {
    const [left, right] = this.sound;
    return Float32Array.from({ length: frames }, (_, frame) => left[(from + frame) & MASK] + right[(from + frame) & MASK]);
  }

  /** The sound between two frames, where the loudspeaker's rate is not 48 kHz (Catmull and Rom's curve). */
  at(side) {
    const sound = this.sound[side];
    if (this.part === 0) return sound[this.read & MASK];
    return between(
      sound[(this.read - 1) & MASK],
      sound[this.read & MASK],
      sound[(this.read + 1) & MASK],
      sound[(this.read + 2) & MASK],
      this.part,
    );
  }
}

function between(a, b, c, d, part) {
  return b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)));
}

/** How often the figures are told, in seconds. */
const TOLD_EVERY = 0.25;

/** A microphone's sound is handed on in frames of Opus: 20 ms. */
const SPOKEN = 20 * MILLI;

/** At one rate, from another: the microphone's sound is brought to 48 kHz. */
export class Collector {
  constructor(rate, channels, take) {
    Object.assign(this, { step: rate / RATE, take, part: 0, filled: 0 });
    this.sound = new Float32Array(SPOKEN * channels);
    this.last = Array.from({ length: channels }, () => [0, 0, 0]);
  }

  /** Takes what was heard, by channel; a channel that is not there is silent. */
  put(channels, frames) {
    for (let frame = 0; frame < frames; frame += 1) {
      const next = this.last.map((_, channel) => channels[channel]?.[frame] ?? 0);
      for (; this.part < 1; this.part += this.step) {
        for (const [channel, [a, b, c]] of this.last.entries()) {
          this.sound[channel * SPOKEN + this.filled] = between(a, b, c, next[channel], this.part);
        }
        this.filled += 1;
        if (this.filled === SPOKEN) {
          this.take(this.sound.slice());
          this.filled = 0;
        }
      }
      this.part -= 1;
      for (const [channel, last] of this.last.entries()) this.last[channel] = [last[1], last[2], next[channel]];
    }
  }
}

if (globalThis.registerProcessor) {
  const now = () => (currentFrame * RATE) / sampleRate;

  registerProcessor(
    "soundport-ring",
    class extends AudioWorkletProcessor {
      constructor() {
        super();
        this.ring = new Ring(sampleRate);
        this.open = true;
        this.toldAt = 0;
        this.port.onmessage = ({ data }) => {
          if (data.left) this.ring.put(data.time, data.left, data.right, now());
          else if (data.hold === undefined) this.open = false;
          else this.ring.hold = data.hold * MILLI;
        };
      }

      process(_, [[left, right]]) {
        this.ring.play(left, right, now());
        if (currentTime - this.toldAt >= TOLD_EVERY) {
          this.toldAt = currentTime;
          this.port.postMessage(this.ring.report(now()));
        }
        return this.open;
      }
    },
  );

  registerProcessor(
    "soundport-microphone",
    class extends AudioWorkletProcessor {
      constructor({ processorOptions: { channels } }) {
        super();
        this.open = true;
        this.collector = new Collector(sampleRate, channels, (sound) => this.port.postMessage(sound, [sound.buffer]));
        this.port.onmessage = () => {
          this.open = false;
        };
      }

      process([heard], [[out]]) {
        this.collector.put(heard, out.length);
        return this.open;
      }
    },
  );
}
