// One line in somebody else's page gives it a control for the sound of a container:
//
//     <script src="https://HOST:8443/embed.js" data-source="desktop"></script>
//
// The control is Soundport's own page in a frame (`index.html?embed`, made small by lazy/embedded.js); what that page can do, the control can.
// Here is what stands in the other page: the frame's place and look, its methods and events, and the keyboard's focus, which goes back to where
// it was. docs/embed.md tells how it is used.
(() => {
  /** The version of what the two pages say to each other. */
  const VERSION = 1;

  /** A frame that is loaded and has not said hello by then shows another page than ours. */
  const HELLO_WITHIN = 2_500;

  /** How often it is looked whether a relay that did not answer is back. */
  const LOOK_EVERY = 5_000;

  const CORNERS = ["bottom-right", "bottom-left", "top-right", "top-left"];

  /** Nothing of the other page's style reaches in here, and nothing of this reaches out. */
  const STYLE = `
    :host { all: initial !important; display: inline-block !important; pointer-events: auto !important; max-width: 100% !important; }
    iframe { display: block; width: 0; height: 0; max-width: 100%; border: 0; background: none; }
    p { box-sizing: border-box; max-width: 20rem; margin: 0; padding: 0.625rem 0.875rem; border: 1px solid; border-radius: var(--radius);
      background: var(--paper); color: var(--ink); font: 0.875rem/1.4 var(--font); overflow-wrap: anywhere; }
    p:empty { display: none; }
    a { color: inherit; }
    @media print { :host { display: none !important; } }`;

  /** One control, and where its events come from: they bubble from its element. */
  class Control {
    constructor(options) {
      this.options = options;
      this.element = document.createElement("soundport-control");
      this.source = options.source || null;
      this.snapshot = { source: this.source, state: "loading", trouble: null };
      this.waiting = [];
      this.answers = new Map();
      this.asked = 0;
      this.ending = new AbortController();
      const shadow = this.element.attachShadow({ mode: "open" });
      const style = Object.assign(document.createElement("style"), { textContent: STYLE });
      this.words = document.createElement("p");
      this.words.setAttribute("role", "status");
      this.words.setAttribute("part", "words");
      this.frame = document.createElement("iframe");
      this.frame.setAttribute("part", "frame");
      this.frame.title = this.source ? `Sound: ${this.source}` : "Sound";
      this.frame.allow = "autoplay; microphone; clipboard-write";
      this.frame.src = this.address();
      shadow.append(style, this.frame, this.words);
      this.place();
      this.listenToPage();
    }

    /** Where the frame's page is. */
    address() {
      const address = new URL(this.options.page);
      const query = new URLSearchParams({ embed: "", place: String(this.options.number) });
      for (const name of ["source", "relay", "talk"]) {
        if (this.options[name]) query.set(name, this.options[name]);
      }
      address.search = query.toString().replace("embed=&", "embed&");
      return address.href;
    }

    /** Listens to the sound; whether it began. Not where the browser waits for a click: then the control says so. */
    listen() {
      return this.ask("listen");
    }

    /** Stops listening. */
    stop() {
      return this.ask("stop");
    }

    /** Lets the microphone be heard (true), or mutes it (false). */
    talk(on = true) {
      return this.ask("talk", Boolean(on));
    }

    /** Gives the microphone back. */
    endTalk() {
      return this.ask("end-talk");
    }

    /** The volume, 0 to 1; setting it takes back the mute, as the slider does. */
    get volume() {
      return this.snapshot.volume ?? 1;
    }

    set volume(share) {
      this.ask("volume", Math.round(Math.min(1, Math.max(0, Number(share) || 0)) * 100));
    }

    get muted() {
      return this.snapshot.muted ?? false;
    }

    set muted(muted) {
      this.ask("mute", Boolean(muted));
    }

    /** `loading`, `ready`, `connecting`, `listening`, `silent`, `reconnecting`, `failed`, `unavailable` or `removed`. */
    get state() {
      return this.snapshot.state;
    }

    /** What stands in the way, `{ name, words }`, or null. */
    get trouble() {
      return this.snapshot.trouble;
    }

    /** Shows the one button alone (true), or the whole control. */
    fold(folded = true) {
      return this.ask("fold", Boolean(folded));
    }

    /** Moves the keyboard's focus into the control; Escape gives it back. */
    focus() {
      this.frame.focus({ preventScroll: true });
      return this.ask("focus");
    }

    /** Takes the page's look again, where it changed in a way that is not noticed by itself. */
    restyle() {
      const look = this.look();
      this.element.style.setProperty("color-scheme", look.scheme, "important");
      this.frame.style.colorScheme = look.scheme;
      const dark = look.scheme === "dark";
      const words = { paper: look.paper || (dark ? "#181b1e" : "#fff"), ink: look.ink || (dark ? "#eceef0" : "#17191c") };
      Object.assign(words, { font: look.font || "system-ui, sans-serif", radius: look.radius || "12px" });
      for (const [name, value] of Object.entries(words)) this.words.style.setProperty(`--${name}`, value);
      this.tell({ type: "look", look });
    }

    /** Takes the control away, with all it left in the page; its sound ends. */
    remove() {
      if (this.ending.signal.aborted) return;
      this.ending.abort();
      clearTimeout(this.patience);
      this.observer.disconnect();
      this.answers.forEach((answer) => answer(false));
      this.answers.clear();
      this.waiting = null;
      this.snapshot = { source: this.source, state: "removed", trouble: null };
      this.say("remove");
      const corner = this.element.parentElement;
      this.giveFocusBack();
      this.element.remove();
      if (corner?.localName === "soundport-corner" && !corner.childElementCount) corner.remove();
      soundport.controls.splice(soundport.controls.indexOf(this), 1);
    }

    /** Puts it into the element that was named, else into a corner, beside the others that are there. */
    place() {
      const { into } = this.options;
      const named = into instanceof Element ? into : into && document.querySelector(into);
      if (named) return named.append(this.element);
      if (into) console.warn(`Soundport: there is no element ${into}; the control stands in a corner.`);
      const at = CORNERS.includes(this.options.place) ? this.options.place : CORNERS[0];
      let corner = document.querySelector(`soundport-corner[data-at="${at}"]`);
      if (!corner) {
        corner = document.createElement("soundport-corner");
        corner.dataset.at = at;
        const [down, across] = at.split("-");
        const style = {
          all: "initial", position: "fixed", [down]: "12px", [across]: "12px", "z-index": "2147483000", display: "flex",
          "flex-direction": down === "bottom" ? "column-reverse" : "column", gap: "8px", "pointer-events": "none",
          "align-items": across === "right" ? "flex-end" : "flex-start", "max-width": "calc(100vw - 24px)",
        };
        for (const [name, value] of Object.entries(style)) corner.style.setProperty(name, value, "important");
        document.body.append(corner);
      }
      corner.append(this.element);
    }

    listenToPage() {
      const { signal } = this.ending;
      addEventListener("message", (event) => this.hear(event), { signal });
      addEventListener("resize", () => this.tell({ type: "room", room: this.room() }), { signal });
      this.frame.addEventListener("load", () => this.expectHello(), { signal });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle(), { signal });
      // Pages switch their colours by an attribute of their outermost elements.
      this.observer = new MutationObserver(() => this.restyle());
      for (const element of [document.documentElement, document.body]) {
        this.observer.observe(element, { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-color-scheme"] });
      }
      this.restyle();
    }

    /** Takes what our own page in our own frame says, and nobody else. */
    hear({ source, origin, data }) {
      if (source !== this.frame.contentWindow || origin !== new URL(this.options.page).origin || data?.soundport !== VERSION) return;
      const does = {
        hello: () => this.greet(),
        size: () => this.fit(data),
        state: () => this.take(data.snapshot),
        answer: () => {
          this.answers.get(data.id)?.(data.value);
          this.answers.delete(data.id);
        },
        back: () => this.giveFocusBack(),
      };
      does[data.type]?.();
    }

    greet() {
      clearTimeout(this.patience);
      this.greeted = true;
      this.words.textContent = "";
      this.post({ type: "greet", look: this.look(), room: this.room() });
      const waiting = this.waiting ?? [];
      this.waiting = null;
      waiting.forEach((message) => this.post(message));
    }

    /** The frame takes the size of what it shows. */
    fit({ width, height }) {
      this.frame.style.width = `${Math.max(0, Math.ceil(Number(width) || 0))}px`;
      this.frame.style.height = `${Math.max(0, Math.ceil(Number(height) || 0))}px`;
    }

    /** The most that the frame may take of the page, in CSS pixels. */
    room() {
      const around = this.element.parentElement;
      const inside = around?.localName === "soundport-corner" ? innerWidth - 24 : around?.clientWidth || innerWidth - 24;
      return { width: inside, height: innerHeight - 24 };
    }

    take(snapshot) {
      const before = this.snapshot;
      if (JSON.stringify(before) === JSON.stringify(snapshot)) return;
      this.snapshot = snapshot;
      this.source = snapshot.source ?? this.source;
      if (snapshot.title) this.frame.title = `Sound: ${snapshot.title}`;
      if (!this.ready && !["loading", "unavailable"].includes(snapshot.state)) {
        this.ready = true;
        this.say("ready");
      }
      this.say("state");
      const { trouble } = snapshot;
      if (trouble && JSON.stringify(trouble) !== JSON.stringify(before.trouble)) this.say("trouble", trouble);
    }

    /** Tells the other page, by an event that bubbles from the control's element. */
    say(name, more = {}) {
      const detail = { ...this.snapshot, ...more, control: this };
      this.element.dispatchEvent(new CustomEvent(`soundport:${name}`, { detail, bubbles: true, composed: true }));
    }

    /** A frame that loaded, and says nothing, was refused, or leads nowhere. */
    expectHello() {
      const greeted = this.greeted;
      this.greeted = false;
      if (greeted) return;
      this.waiting ??= [];
      clearTimeout(this.patience);
      this.patience = setTimeout(() => this.askWhy(), HELLO_WITHIN);
    }

    async askWhy() {
      const reached = await this.isReached();
      if (this.ending.signal.aborted || this.waiting === null) return;
      const at = this.options.page.replace(/\/$/, "");
      const trouble = reached
        ? { name: "not-allowed", words: `This page may not show the sound of ${at}. Start that relay with --origin ${location.origin}` }
        : { name: "no-relay", words: `No sound: ${at} does not answer. Start the relay, or open that address once and accept its certificate.` };
      this.frame.style.width = this.frame.style.height = "0";
      this.words.textContent = trouble.words;
      this.answers.forEach((answer) => answer(false));
      this.answers.clear();
      this.take({ source: this.source, state: "unavailable", trouble });
      if (!reached) this.patience = setTimeout(() => this.lookAgain(), LOOK_EVERY);
    }

    async lookAgain() {
      const reached = await this.isReached();
      if (this.ending.signal.aborted || this.waiting === null) return;
      if (reached) this.frame.src = this.address();
      else this.patience = setTimeout(() => this.lookAgain(), LOOK_EVERY);
    }

    /** Whether anything answers there; what it says is not ours to read. */
    isReached() {
      const asked = fetch(this.options.page, { method: "HEAD", mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(LOOK_EVERY) });
      return asked.then(() => true, () => false);
    }

    /** Has the frame do something, and says whether it did. */
    ask(what, value) {
      const isThere = this.waiting === null || this.snapshot.state !== "unavailable";
      if (this.ending.signal.aborted || !isThere) return Promise.resolve(false);
      return new Promise((answer) => {
        this.asked += 1;
        this.answers.set(this.asked, answer);
        this.tell({ type: "do", what, value, id: this.asked });
      });
    }

    /** What is said before the frame is there waits for it; its look it gets with the greeting. */
    tell(message) {
      if (this.waiting === null) this.post(message);
      else if (message.type === "do") this.waiting.push(message);
    }

    post(message) {
      this.frame.contentWindow?.postMessage({ soundport: VERSION, ...message }, new URL(this.options.page).origin);
    }

    /** Back to what had the keyboard before: a remote desktop is not to lose it by a click beside it. */
    giveFocusBack() {
      if (document.activeElement !== this.element) return;
      const before = focused?.isConnected ? focused : null;
      this.frame.blur();
      before?.focus({ preventScroll: true });
    }

    /** How the page looks around the control: custom properties say it, else it is found out. */
    look() {
      const style = getComputedStyle(this.element);
      const set = (name) => style.getPropertyValue(`--soundport-${name}`).trim();
      const around = this.element.parentElement?.localName === "soundport-corner" ? document.body : this.element.parentElement;
      const font = set("font") || (around ? getComputedStyle(around).fontFamily : "");
      const wanted = this.options.scheme || set("scheme");
      const scheme = ["dark", "light"].includes(wanted) ? wanted : schemeOf(around);
      return { scheme, font, paper: set("paper"), ink: set("ink"), accent: set("accent"), radius: set("radius") };
    }
  }

  /** Dark or light, as the page says, or as its background shows. */
  const schemeOf = (around) => {
    const said = getComputedStyle(document.documentElement).colorScheme.split(" ").filter((word) => ["dark", "light"].includes(word));
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    if (said.length) return said.includes(system) ? system : said[0];
    for (let element = around; element; element = element.parentElement) {
      const [red, green, blue, alpha = 1] = (getComputedStyle(element).backgroundColor.match(/^rgba?\(.*\)$/)?.[0].match(/[\d.]+/g) ?? []).map(Number);
      if (blue !== undefined && alpha > 0.5) return red * 0.3 + green * 0.59 + blue * 0.11 < 128 ? "dark" : "light";
    }
    return "light";
  };

  /** What has the keyboard in the other page, or had it when a control took it. */
  let focused = null;
  const watchFocus = () => {
    const isControl = (element) => element?.localName === "soundport-control";
    focused = isControl(document.activeElement) || document.activeElement === document.body ? null : document.activeElement;
    addEventListener("focusin", (event) => {
      const [element] = event.composedPath();
      if (!isControl(event.target)) focused = element;
    }, true);
    // A click beside everything takes the focus away for good; one into a control only for now.
    addEventListener("focusout", () => setTimeout(() => {
      if (document.hasFocus() && document.activeElement === document.body) focused = null;
    }), true);
  };

  const soundport = (window.soundport ??= {
    /** All controls of this page. */
    controls: [],
    number: 0,

    /** Adds a control: `{ page, source, into, place, scheme, talk, relay, listen }`, and returns it. */
    add(options) {
      soundport.number += 1;
      const control = new Control({ ...options, page: new URL(options.page ?? base, location.href).href, number: soundport.number });
      soundport.controls.push(control);
      if (options.listen) control.listen();
      return control;
    },
  });
  const script = document.currentScript ?? [...document.scripts].find(({ src, soundport: own }) => !own && /\/embed\.js(\?|$)/.test(src));
  if (!script) return;
  const base = new URL("./", script.src).href;
  if (soundport.number === 0) watchFocus();
  const query = new URL(script.src).searchParams;
  const option = (name) => script.dataset[name] ?? query.get(name) ?? undefined;
  const begin = () => {
    const listen = option("listen");
    script.soundport = soundport.add({
      page: base, source: option("source"), relay: option("relay"), into: option("into"), place: option("place"), scheme: option("scheme"),
      talk: option("talk"), listen: listen !== undefined && listen !== "no",
    });
  };
  if (option("control") === "none") return;
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin, { once: true });
})();
