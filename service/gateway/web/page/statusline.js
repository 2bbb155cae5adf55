// A line of text that changes often, and a live region that a screen reader reads aloud now and then.

const EVERY_MS = 15_000;

export class StatusLine {
  #stage = null;
  #spoken_ms = 0;

  /** `shown` is the line, `spoken` the live region. */
  constructor(shown, spoken) {
    Object.assign(this, { shown, spoken });
  }

  /** Show a text; speak it if its stage is new, or if nothing was spoken for 15 s. */
  say(stage, text) {
    set(this.shown, text);
    const now = performance.now();
    if (stage === this.#stage && now - this.#spoken_ms < EVERY_MS) return;
    this.#stage = stage;
    this.#spoken_ms = now;
    set(this.spoken, text);
  }
}

// A screen reader reads each change, also one to the same text.
function set(part, text) {
  if (part.textContent !== text) part.textContent = text;
}
