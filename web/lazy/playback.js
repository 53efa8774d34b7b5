// What only the browser knows of what it plays: told to the relay for each session, so that its doctor can name it, and to the panel (doctor.js).
// Loaded when the page has a session.

/** Sound without a sample: whether a browser would play it tells whether it waits for a click. */
const NOTHING = "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/** So long after a change it is told, once things have settled. */
const SETTLED_AFTER = 300;

/** The words by which a card says that its connection brings nothing (web/src/words.rs). */
const NO_PACKETS = "Connected, but no sound arrives";
const HELD_BACK = "No sound comes out";

/** A path of the relay's, wherever the page has it from (web/src/relay/base.rs). */
export const at = (path) => {
  const named = new URLSearchParams(location.search).get("relay") || document.querySelector("meta[name=soundport-relay]")?.content;
  return new URL(path, named ? named.replace(/\/?$/, "/") : document.baseURI);
};

/** The name of the session by which a card is heard; empty where it is not. */
export const sessionOf = (card) => card.querySelector("[data-session]")?.dataset.session ?? "";

/** Whether the browser waits for a click before it lets sound out. */
const isHeld = async () => {
  if (navigator.userActivation?.hasBeenActive) return false;
  return new Audio(NOTHING).play().then(
    () => false,
    ({ name }) => name === "NotAllowedError",
  );
};

/** Whether there is nothing to hear with. Browsers that do not list loudspeakers leave it open. */
const hasNoOutput = async () => {
  if (!navigator.mediaDevices?.enumerateDevices || !("setSinkId" in HTMLMediaElement.prototype)) return false;
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => [{ kind: "audiooutput" }]);
  return !devices.some(({ kind }) => kind === "audiooutput");
};

/** What the browser does with a card's sound, in the relay's words (relay/api/src/doctor.rs). */
export const stateOf = async (card) => {
  const note = card.querySelector(".note").textContent;
  const isPressed = (from, action) => from.querySelector(`[data-action=${action}]`)?.getAttribute("aria-pressed") === "true";
  const failed = card.dataset.state === "failed" && note.includes(HELD_BACK);
  const resume = document.querySelector("[data-notice=resume]");
  if ((failed || resume || card.dataset.state === "connecting") && (await isHeld())) return "blocked";
  if (failed || (await hasNoOutput())) return "no-output";
  if (isPressed(card, "mute") || card.querySelector("[data-action=volume]").value === "0") return "muted";
  if ("muted" in card.dataset && [...document.querySelectorAll(".card")].some((other) => other !== card && isPressed(other, "solo"))) return "solo";
  return note.includes(NO_PACKETS) ? "no-packets" : "playing";
};

/** What was told of each session; of one that is over nothing more is. */
const told = new Map();

const tell = async (session, state) => {
  if (told.get(session) === state) return;
  told.set(session, state);
  const request = { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ state }) };
  // A relay that does not answer is told at the next change.
  const answer = await fetch(at(`api/sessions/${encodeURIComponent(session)}/playback`), request).catch(() => null);
  if (!answer) told.delete(session);
};

const tellAll = async () => {
  for (const card of document.querySelectorAll(".card")) {
    const session = sessionOf(card);
    const state = session && (await stateOf(card));
    // The card may have gone on to another session meanwhile.
    if (session && session === sessionOf(card)) await tell(session, state);
  }
};

let waiting = 0;
const settle = () => {
  clearTimeout(waiting);
  waiting = setTimeout(tellAll, SETTLED_AFTER);
};

const SAID = ["data-session", "data-state", "data-muted", "data-notice", "aria-pressed", "aria-valuetext"];
new MutationObserver(settle).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: SAID });
navigator.mediaDevices?.addEventListener?.("devicechange", settle);
settle();
