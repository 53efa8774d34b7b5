// The panel in a card's details that says why there is no sound: what the relay finds, and what only this browser knows, troubles first. Loaded when
// details are opened.

const version = new URL(import.meta.url).search;
const { at, sessionOf, stateOf } = await import(`./playback.js${version}`);

/** How often an open panel looks again, and how long it waits for the relay. */
const LOOK_EVERY = 2_000;
const ANSWER_WITHIN = 4_000;

/** A copied line is told of so long. */
const TOLD_FOR = 2_000;

const ORDER = ["trouble", "unknown", "well"];
const SHAPES = {
  trouble: '<path d="M6 1.2 11 10.3H1Z" stroke-linejoin="round"/><path d="M6 4.6v2.4M6 8.6v.1"/>',
  unknown: '<circle cx="6" cy="6" r="4.5" stroke-dasharray="2 2.7"/>',
  well: '<path d="m1.8 6.4 2.8 2.8 5.6-6.2"/>',
};
const VERDICTS = { trouble: "Trouble", unknown: "Not known", well: "Well" };

/** What the browser knows of each playback. */
const PLAYBACK = {
  playing: { verdict: "well", said: "The browser plays what comes." },
  blocked: { verdict: "trouble", said: "The browser holds sound back until you click (autoplay).", remedy: "Press Listen on this page. To always let it, allow sound beside this page’s address." },
  muted: { verdict: "trouble", said: "It is muted here, or its volume is 0.", remedy: "Press the loudspeaker beside the volume, or move the slider to the right." },
  solo: { verdict: "trouble", said: "Another source is played alone, so this one is not heard.", remedy: "Press Solo there again." },
  "no-output": { verdict: "trouble", said: "The browser finds no loudspeaker to play to.", remedy: "Plug one in, or choose one in the system’s sound settings; then press Listen again." },
  "no-packets": { verdict: "trouble", said: "The connection stands, but no sound arrives in this browser.", remedy: "What the relay finds above tells why; if nothing does, listen again." },
};
const NOT_LISTENING = { check: "playback", verdict: "unknown", said: "You are not listening here.", remedy: "Press Listen, then look again: more is known then." };
const TAB = { check: "tab", verdict: "unknown", said: "No page can see whether its tab, the browser or the computer is muted.", remedy: "Look for a crossed-out loudspeaker on this tab, and at the computer’s volume." };
const NO_WEBRTC = { check: "webrtc", verdict: "trouble", said: "This browser has no WebRTC, or it is switched off.", remedy: "Switch it on, or use another browser: the sound comes by the page’s own connection meanwhile, if that can." };
const NO_ANSWER = { check: "relay", verdict: "trouble", said: "The relay does not answer.", remedy: "Start it, or ask on its machine what is wrong: `soundport doctor`." };

const made = (tag, attributes = {}, ...inside) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
};

/** What the relay finds of a source and of this page's session with it. */
const ask = async (id, session) => {
  const query = session ? `?session=${encodeURIComponent(session)}` : "";
  const answer = await fetch(at(`api/sources/${encodeURIComponent(id)}/doctor${query}`), { signal: AbortSignal.timeout(ANSWER_WITHIN) });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  return { findings: [{ check: "relay", verdict: "trouble", said: problem.detail ?? `The relay answers with ${answer.status}.` }], sessions: [] };
};

/** All that is found, in the order that sound takes. */
const examine = async (card) => {
  const session = sessionOf(card);
  const found = await ask(card.dataset.source, session).catch(() => ({ findings: [NO_ANSWER], sessions: [] }));
  const own = found.sessions.filter((one) => one.own).flatMap(({ findings }) => findings);
  // What the page told of its playback it knows better itself.
  const findings = [...found.findings, ...own.filter(({ check }) => check !== "playback")];
  const listens = card.querySelector("[data-action=stop]") || card.dataset.state === "failed";
  const state = await stateOf(card);
  if (!window.RTCPeerConnection) findings.push(NO_WEBRTC);
  findings.push(listens || state === "blocked" ? { check: "playback", ...PLAYBACK[state] } : NOT_LISTENING, TAB);
  for (const other of found.sessions.filter((one) => !one.own && one.verdict === "trouble")) {
    const worst = other.findings.find(({ verdict }) => verdict === "trouble");
    findings.push({ ...worst, check: `other-${other.number}`, said: `Somebody else’s ${other.purpose === "talk" ? "microphone" : "listening"}: ${worst.said}` });
  }
  return findings;
};

/** A sentence; a command in backquotes that a colon leads to, and that ends it, is a line to copy, and any other stays where it is. */
const written = (text) => {
  const parts = text.split("`");
  const isLine = (index) => parts[index - 1].endsWith(": ") && /^([.;]|$)/.test(parts[index + 1] ?? "");
  return parts.map((part, index) => {
    if (index % 2 === 0) return index && isLine(index - 1) ? part.slice(1) : part;
    if (!isLine(index)) return made("code", {}, part);
    const copy = made("button", { type: "button", class: "button quiet", "data-action": "copy-remedy", "aria-label": `Copy: ${part}` }, "Copy");
    copy.onclick = async () => {
      const done = await navigator.clipboard?.writeText(part).then(() => true, () => false);
      copy.textContent = done ? "Copied" : "Select it";
      setTimeout(() => {
        copy.textContent = "Copy";
      }, TOLD_FOR);
    };
    return made("span", { class: "remedy-line" }, made("code", { tabindex: "0" }, part), copy);
  });
};

/** One finding in the list. What is said of it changes with every figure; its remedy, in which somebody may be, stays. */
class Item {
  constructor(check, verdict) {
    const shape = made("span", { class: "verdict" });
    shape.innerHTML = `<svg class="shape" viewBox="0 0 12 12" aria-hidden="true">${SHAPES[verdict] ?? SHAPES.unknown}</svg>`;
    shape.append(made("span", { class: "unseen" }, `${VERDICTS[verdict] ?? VERDICTS.unknown}: `));
    this.parts = { said: made("p", { class: "said-here" }), remedy: made("p", { class: "remedy" }) };
    this.texts = {};
    this.element = made("li", { "data-check": check, "data-verdict": verdict }, shape, this.parts.said);
  }

  fill(finding) {
    for (const [name, part] of Object.entries(this.parts)) {
      const text = finding[name] ?? "";
      if (this.texts[name] === text) continue;
      this.texts[name] = text;
      part.replaceChildren(...written(text));
      if (!text) part.remove();
      else if (part.parentElement !== this.element) this.element.append(part);
    }
    return this.element;
  }
}

let panels = 0;

/** The button, and the list behind it, in one card. */
class Panel {
  constructor(details) {
    this.details = details;
    this.card = details.closest(".card");
    this.items = new Map();
    panels += 1;
    const id = `doctor-${panels}`;
    this.button = made("button", { type: "button", class: "button", "data-action": "doctor", "aria-expanded": "false", "aria-controls": id }, "Why is there no sound?");
    this.summary = made("p", { class: "summary", role: "status" });
    this.list = made("ol", { "aria-label": "What was found" });
    this.section = made("section", { id, hidden: "" }, this.summary, this.list);
    this.watching = new MutationObserver(() => this.isRead() && this.look());
    this.watching.observe(this.card, { attributes: true, attributeFilter: ["data-state", "data-muted", "data-source-state"] });
    this.button.onclick = () => this.show(this.section.hidden);
    details.append(made("div", { "data-doctor": "" }, this.button, this.section));
  }

  show(shown) {
    this.section.hidden = !shown;
    this.button.setAttribute("aria-expanded", String(shown));
    if (shown) this.look();
  }

  /** Looks now, and again while somebody reads it. */
  async look() {
    clearTimeout(this.again);
    const looking = (this.looking = Symbol("look"));
    if (document.visibilityState === "visible") {
      const findings = await examine(this.card);
      if (this.looking !== looking || !this.isRead()) return;
      this.draw(findings);
    }
    this.again = setTimeout(() => this.isRead() && this.look(), LOOK_EVERY);
  }

  isRead() {
    return this.details.isConnected && this.details.open && !this.section.hidden;
  }

  /** What has not changed stays as it is, with the focus in it; what is above what is read does not grow smaller. */
  draw(findings) {
    const sorted = ORDER.flatMap((verdict) => findings.filter((finding) => finding.verdict === verdict));
    const [worst] = sorted;
    const words = worst?.verdict === "trouble" ? worst.said.replaceAll("`", "") : "Nothing was found that keeps this from being heard.";
    if (this.summary.textContent !== words) this.summary.textContent = words;
    // Who sees the list reads it there.
    this.summary.classList.toggle("unseen", worst?.verdict === "trouble");
    const known = this.items;
    this.items = new Map();
    const shown = sorted.map((finding) => {
      const key = `${finding.check} ${finding.verdict}`;
      const item = known.get(key) ?? new Item(finding.check, finding.verdict);
      this.items.set(key, item);
      return item.fill(finding);
    });
    if (shown.length !== this.list.children.length || shown.some((element, index) => element !== this.list.children[index])) {
      const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
      this.list.replaceChildren(...shown);
      if (focused?.isConnected) focused.focus({ preventScroll: true });
    }
    this.section.style.minHeight = `${Math.max(parseFloat(this.section.style.minHeight) || 0, this.section.offsetHeight)}px`;
  }
}

const known = new WeakMap();
const style = made("link", { rel: "stylesheet", href: new URL(`doctor.css${version}`, import.meta.url).href });
const styled = new Promise((done) => {
  style.onload = style.onerror = done;
});
document.head.append(style);

/** Puts the panel at the end of a card's details; where the card is in trouble it is open at once. */
const meet = async (details) => {
  if (!details.open) return;
  await styled;
  if (!known.has(details)) known.set(details, new Panel(details));
  const panel = known.get(details);
  const isTroubled = ["failed", "silent", "reconnecting"].includes(panel.card.dataset.state) || "muted" in panel.card.dataset;
  if (isTroubled || !panel.section.hidden) panel.show(true);
};

document.addEventListener("toggle", ({ target }) => target.matches?.(".details") && meet(target), true);
document.querySelectorAll(".details[open]").forEach(meet);
