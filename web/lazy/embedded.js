// The page in a frame of another page (`?embed&source=ID`): one source's controls, small, and what embed.js there is told and asks for.
//
// It runs before the page's program, which it leaves as it is: it reads what the cards say of themselves (`data-state`, `data-talk`, …) and
// presses their buttons (`data-action`). So the frame listens, talks, falls back and connects again as the page does.
(() => {
  const VERSION = 1;

  /** Sound without a sample: whether a browser would play it tells whether it waits for a click. */
  const NOTHING = "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

  const query = new URLSearchParams(location.search);
  const root = document.documentElement;
  root.dataset.embed = "";
  if (query.get("talk") === "off") root.dataset.talkless = "";

  /** Shows one source alone. The other page's history is not for us to write to. */
  const show = (id) => location.replace(`#/${encodeURIComponent(id)}`);
  if (query.get("source")) show(query.get("source"));

  // What plays is remembered for each tab: of several controls in one tab each remembers its own.
  try {
    const own = `${query.get("place") ?? query.get("source") ?? ""}.`;
    const kept = window.sessionStorage;
    const value = { getItem: (key) => kept.getItem(own + key), setItem: (key, text) => kept.setItem(own + key, text) };
    Object.defineProperty(window, "sessionStorage", { value });
  } catch {
    // A browser that forbids to remember forbids it to the page, too.
  }

  // What the other page is told

  /** The origin of the page around, once it has greeted. */
  let host = null;
  let told = "";
  let held = false;

  const post = (message, to = host) => {
    if (to && parent !== window) parent.postMessage({ soundport: VERSION, ...message }, to);
  };

  const text = (...parts) => parts.map((part) => part?.textContent.trim()).filter(Boolean).join(". ");
  const trouble = (name, words) => ({ name, words });
  const cardOf = () => document.querySelector(".cards[data-alone] .card");
  const button = (action) => cardOf()?.querySelector(`[data-action="${action}"]`);
  const isOn = () => Boolean(button("stop"));

  /** What stands in the way of listening; the relay's absence first. */
  const troubleOf = (card) => {
    const notice = document.querySelector(["no-relay", "closed", "unknown-source", "no-source"].map((name) => `[data-notice=${name}]`).join());
    const name = notice?.dataset.notice;
    if (name === "unknown-source") return trouble(name, text(notice));
    if (name === "no-source") return trouble(name, text(notice.querySelector("h2")));
    if (notice) return trouble(name, text(notice.querySelector("h2"), notice.querySelector("p")));
    if (!card && document.querySelector(".card")) return trouble("which-source", "There are several sounds. Choose one, or name it with data-source.");
    const resume = document.querySelector("[data-notice=resume] p");
    if (held || resume) return trouble("blocked", resume ? text(resume) : "The browser waits for a click: press Listen.");
    if (card?.dataset.state === "failed") return trouble("failed", text(card.querySelector(".note")));
    return null;
  };

  const snapshotOf = () => {
    const card = cardOf();
    const found = troubleOf(card);
    if (!card) return { source: query.get("source"), state: found ? "unavailable" : "loading", trouble: found };
    const notice = card.querySelector("[data-talk-notice]");
    return {
      source: card.dataset.source,
      title: text(card.querySelector("h2")),
      state: card.dataset.state,
      sourceState: card.dataset.sourceState,
      way: card.dataset.way ?? null,
      volume: Number(button("volume").value) / 100,
      muted: button("mute").getAttribute("aria-pressed") === "true",
      talk: card.dataset.talk ?? null,
      talkTrouble: notice ? trouble(notice.dataset.talkNotice, text(notice.lastChild)) : null,
      trouble: found,
    };
  };

  let looking = false;
  const look = () => {
    if (looking) return;
    looking = true;
    // A frame that is not seen gets no animation frames.
    setTimeout(() => {
      looking = false;
      choose();
      held &&= !isOn();
      const snapshot = snapshotOf();
      root.dataset.stands = snapshot.state;
      arrange();
      root.toggleAttribute("data-ails", ["failed", "reconnecting"].includes(snapshot.state));
      root.toggleAttribute("data-live", snapshot.talk === "live");
      const words = held || snapshot.trouble?.name === "which-source" ? snapshot.trouble.words : "";
      if (said.textContent !== words) said.textContent = words;
      const now = JSON.stringify(snapshot);
      if (host && now !== told) {
        told = now;
        post({ type: "state", snapshot });
      }
    });
  };

  /** Where no source was named and there is one, it is that. */
  const choose = () => {
    const cards = document.querySelectorAll(".cards:not([data-alone]) .card");
    if (!query.get("source") && cards.length === 1) show(cards[0].dataset.source);
  };

  // What the other page asks for

  const isLetPlay = async () => {
    if (navigator.userActivation?.hasBeenActive) return true;
    return new Audio(NOTHING).play().then(
      () => true,
      ({ name }) => name !== "NotAllowedError",
    );
  };

  const does = {
    async listen() {
      if (isOn()) return true;
      held = !(await isLetPlay());
      if (!held) button("listen")?.click();
      look();
      return !held && Boolean(cardOf());
    },
    stop: () => press("stop"),
    volume(percent) {
      const slider = button("volume");
      if (!slider) return false;
      slider.value = percent;
      return slider.dispatchEvent(new Event("input", { bubbles: true }));
    },
    mute: (muted) => (button("mute")?.getAttribute("aria-pressed") === String(muted) ? true : press("mute")),
    talk(on) {
      const talk = button("talk");
      if (!talk || talk.disabled) return false;
      const isLive = cardOf().dataset.talk === "live";
      return isLive === on ? true : press("talk");
    },
    "end-talk": () => press("talk-end"),
    fold: (folded) => fold(folded) ?? true,
    focus() {
      (root.hasAttribute("data-folded") ? folder : (button("stop") ?? button("listen") ?? more)).focus();
      return true;
    },
  };

  const press = (action) => {
    const pressed = button(action);
    pressed?.click();
    return Boolean(pressed);
  };

  /** What was asked for before the card was there waits for it. */
  const card = () =>
    new Promise((done) => {
      const observer = new MutationObserver(() => settle());
      const settle = () => {
        if (snapshotOf().state === "loading") return;
        observer.disconnect();
        done();
      };
      observer.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-state", "data-notice", "data-alone"] });
      settle();
    });

  addEventListener("message", async ({ source, origin, data }) => {
    if (source !== parent || parent === window || data?.soundport !== VERSION) return;
    if (data.type === "greet") {
      host ??= origin;
      root.dataset.greeted = "";
    }
    // Only the page that greeted first is answered.
    if (origin !== host) return;
    if (data.look) dress(data.look);
    if (data.room) {
      root.style.setProperty("--room", `${Number(data.room.width)}px`);
      root.style.setProperty("--room-height", `${Number(data.room.height)}px`);
    }
    if (data.type === "greet") {
      told = "";
      look();
      measure();
    }
    if (data.type === "do" && Object.hasOwn(does, data.what)) {
      await card();
      post({ type: "answer", id: data.id, value: await does[data.what](data.value) });
    }
  });

  // How it looks

  /** Takes the other page's look, as far as it is one. */
  const dress = ({ scheme, font, paper, ink, accent, radius }) => {
    root.dataset.scheme = scheme === "dark" ? "dark" : "light";
    const set = (name, kind, value) => {
      if (value && CSS.supports(kind, value)) root.style.setProperty(name, value);
      else root.style.removeProperty(name);
    };
    set("--own-font", "font-family", font);
    set("--own-paper", "color", paper);
    set("--own-ink", "color", ink);
    set("--own-accent", "color", accent);
    set("--own-radius", "border-radius", radius);
  };

  /** The frame is to be as large as what it shows. */
  const measure = () => {
    const { width, height } = document.body.getBoundingClientRect();
    post({ type: "size", width, height });
  };

  const made = (tag, attributes, inside = "") => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.innerHTML = inside;
    return element;
  };
  const DOTS = '<svg class="glyph" viewBox="0 0 16 16" aria-hidden="true"><circle cx="3" cy="8" r="1.4"/><circle cx="8" cy="8" r="1.4"/><circle cx="13" cy="8" r="1.4"/></svg>';
  const CLOSE = '<svg class="glyph line" viewBox="0 0 16 16" aria-hidden="true"><path d="m3.5 6 4.5 4.5L12.5 6"/></svg>';
  const ASIDE = '<svg class="glyph line" viewBox="0 0 16 16" aria-hidden="true"><path d="m5 3.5 4.5 4.5L5 12.5M13 3.5v9"/></svg>';
  const MARK = '<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M14 5H8a3 3 0 0 0-3 3v16a3 3 0 0 0 3 3h6"/><path class="wave" d="M12 13v6M17 9v14M22 12v8M27 14.5v3"/></svg>';
  const more = made("button", { type: "button", class: "button quiet", "data-action": "more", "aria-expanded": "false", "aria-label": "More" }, DOTS);
  const why = made("button", { type: "button", class: "button quiet", "data-action": "why", "aria-label": "Why is there no sound?" }, "Why?");
  const folder = made("button", { type: "button", class: "button quiet", "data-action": "fold", "aria-expanded": "true" });
  const said = made("p", { class: "own-words", role: "status" });
  const aside = made("div", { class: "own", role: "group", "aria-label": "This control" });

  /** One line of the card, unless more of it is wanted. */
  const arrange = () => root.toggleAttribute("data-bar", Boolean(cardOf()) && !root.hasAttribute("data-more"));
  const open = (opened) => {
    root.toggleAttribute("data-more", opened);
    arrange();
    more.setAttribute("aria-expanded", String(opened));
    more.setAttribute("aria-label", opened ? "Less" : "More");
    more.innerHTML = opened ? CLOSE : DOTS;
  };
  const FOLDED = "soundport.folded";
  const fold = (folded) => {
    root.toggleAttribute("data-folded", folded);
    folder.setAttribute("aria-expanded", String(!folded));
    folder.innerHTML = folded ? MARK : ASIDE;
    folder.setAttribute("aria-label", folded ? "Show the sound’s control" : "Fold the sound’s control");
    try {
      localStorage.setItem(FOLDED, folded ? "yes" : "no");
    } catch {
      // It begins unfolded, then.
    }
  };
  more.onclick = () => open(!root.hasAttribute("data-more"));
  // The panel in the details opens by itself where there is trouble (doctor.js).
  why.onclick = () => {
    open(true);
    cardOf().querySelector(".details").open = true;
  };
  folder.onclick = () => fold(!root.hasAttribute("data-folded"));

  // The keyboard stays with the other page: a click here takes the focus from nothing there.

  const USES_FOCUS = "select, code, input[type=search]";
  addEventListener("mousedown", (event) => {
    if (!event.target.closest?.(`${USES_FOCUS}, input`)) event.preventDefault();
  }, true);
  addEventListener("click", (event) => {
    const isInsecureTalk = event.target.closest?.(".talk") && button("talk")?.disabled;
    if (isInsecureTalk) root.toggleAttribute("data-why");
    if (event.target.closest?.("[data-action=listen], [data-action=resume]")) held = false;
    if (event.detail > 0 && !event.target.closest?.(USES_FOCUS)) post({ type: "back" });
    look();
  }, true);
  addEventListener("pointerup", (event) => {
    if (event.target.closest?.("input[type=range]")) setTimeout(() => post({ type: "back" }));
  }, true);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") post({ type: "back" });
  });

  addEventListener("TrunkApplicationStarted", () => {
    aside.append(why, more, folder);
    document.body.append(said, aside);
    let folded = false;
    try {
      folded = localStorage.getItem(FOLDED) === "yes";
    } catch {
      // As above.
    }
    fold(folded);
    const names = ["data-state", "data-source-state", "data-way", "data-talk", "data-talk-notice", "data-notice", "data-alone", "aria-pressed", "aria-valuetext"];
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: names });
    addEventListener("hashchange", look);
    new ResizeObserver(measure).observe(document.body);
    look();
  });

  // Nothing is said by it but that it is there.
  post({ type: "hello" }, location.ancestorOrigins?.[0] || "*");
})();
