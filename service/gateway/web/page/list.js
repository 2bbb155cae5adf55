// The list of videos: uploads, running analyses and results, with their names and pictures.

import { $, button, element } from "./dom.js";
import { erase, recent, underWay } from "./service.js";
import { uploadState } from "./working.js";
import { clock, nameOf, written } from "./words.js";

const POLL_MS = 2000;

export class List {
  #rows = new Map();
  #analyses = [];
  #rates = new Map(); // id → when and where progress was first seen
  #timer = null;

  /** `onOpen` gets an id, `onCompare` several; `onProblem` an error. */
  constructor({ uploads, library, onOpen, onCompare, onProblem }) {
    Object.assign(this, { uploads, library, onOpen, onProblem });
    uploads.addEventListener("change", () => {
      this.#draw();
      if (uploads.all.some((one) => one.state === "sent" && !this.#knows(one.id))) this.#soon();
    });
    $("compare").addEventListener("click", () => onCompare(this.#chosen()));
  }

  /** Request the analyses, repeatedly while some are running. */
  async refresh() {
    clearTimeout(this.#timer);
    try {
      this.#analyses = (await recent()).analyses;
    } catch {
      // The last known list stays; other requests report what is wrong.
    }
    this.#draw();
    if (this.#analyses.some(underWay) || this.#expected()) this.#soon(POLL_MS);
  }

  get empty() {
    return !this.#rows.size;
  }

  #knows(id) {
    return this.#analyses.some((one) => one.id === id);
  }

  #expected() {
    return this.uploads.all.some((one) => ["uploading", "retrying", "waiting"].includes(one.state));
  }

  #soon(after = 100) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), after);
  }

  #chosen() {
    return [...this.#rows.values()].filter((row) => row.box.checked && !row.box.hidden).map((row) => row.id);
  }

  #draw() {
    const unsent = this.uploads.all.filter((one) => one.state !== "sent").sort((one, other) => one.added - other.added);
    const entries = [...unsent.map((one) => this.#upload(one)), ...this.#analyses.map((one) => this.#analysis(one))];
    const keys = new Set(entries.map((entry) => entry.key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      if (row.line.contains(document.activeElement)) (entries.length ? $("recent-title") : $("main")).focus();
      row.line.remove();
      this.#rows.delete(key);
    }
    entries.forEach((entry, place) => {
      const row = this.#rows.get(entry.key) ?? this.#row(entry);
      row.update(entry);
      const list = $("recent-list");
      if (list.children[place] !== row.line) list.insertBefore(row.line, list.children[place] ?? null);
    });
    $("compare").disabled = this.#chosen().length < 2;
    $("compare").hidden = entries.filter((entry) => entry.open).length < 2;
    $("recent").hidden = $("start").hidden || !entries.length;
  }

  #upload(one) {
    const picture = this.library.all.find((record) => record.key === one.key)?.thumbnail;
    const dead = ["refused", "lost"].includes(one.state);
    return { key: one.key, name: one.name, picture, text: uploadState(one), share: dead ? null : one.share, cancel: dead ? "Remove" : "Cancel", bad: dead };
  }

  #analysis(one) {
    const record = this.library.of(one.id);
    const when = written(one.created_at);
    const { done_s, total_s } = one.progress;
    const running = underWay(one);
    const text = {
      queued: "Waiting for a worker",
      running: total_s ? `Analysing: ${clock(done_s)} of ${clock(total_s)}${this.#left(one)}` : "Analysing",
      succeeded: `${when} · ${clock(done_s)} of video`,
      failed: `${when} · ${one.error?.title ?? "Failed"}: ${one.error?.detail ?? ""}`,
    }[one.state];
    return {
      key: record?.key ?? one.id,
      id: one.id,
      name: nameOf(one, record),
      picture: record?.thumbnail,
      text: text ?? one.state,
      share: running ? (total_s ? done_s / total_s : 0) : null,
      open: one.state === "succeeded",
      watch: running,
      cancel: running ? "Cancel" : one.state === "failed" ? "Remove" : null,
      bad: one.state === "failed",
    };
  }

  #left({ id, progress: { done_s, total_s } }) {
    const now = performance.now() / 1000;
    if (!this.#rates.has(id)) this.#rates.set(id, { at: now, done_s });
    const first = this.#rates.get(id);
    if (done_s <= first.done_s || now - first.at < 1) return "";
    const left = ((total_s - done_s) * (now - first.at)) / (done_s - first.done_s);
    return `, about ${clock(left, 0)} left`;
  }

  #row({ key }) {
    const line = element("li");
    const box = element("input");
    box.type = "checkbox";
    const picture = element("img", "", "thumb");
    picture.alt = "";
    const words = element("div", "", "words");
    const name = element("strong");
    const state = element("span");
    const bar = element("progress");
    words.append(name, state, bar);
    const row = { line, box, id: null };
    const open = button("Open", "secondary", () => this.onOpen(row.id));
    const cancel = button("Cancel", "quiet", () => this.#cancel(key, row.id));
    box.addEventListener("change", () => this.#draw());
    line.append(box, picture, words, open, cancel);
    row.update = (entry) => {
      row.id = entry.id;
      const put = (where, what, value) => where[what] !== value && (where[what] = value);
      put(name, "textContent", entry.name);
      put(state, "textContent", entry.text);
      put(box, "hidden", !entry.open);
      put(picture, "hidden", !entry.picture);
      if (entry.picture) put(picture, "src", entry.picture);
      put(bar, "hidden", entry.share === null);
      if (entry.share !== null) bar.value = entry.share;
      put(open, "hidden", !entry.open && !entry.watch);
      put(open, "textContent", entry.watch ? "Watch" : "Open");
      if (!entry.cancel && document.activeElement === cancel) open.focus();
      put(cancel, "hidden", !entry.cancel);
      put(cancel, "textContent", entry.cancel ?? "");
      line.classList.toggle("bad", Boolean(entry.bad));
      box.setAttribute("aria-label", `Select ${entry.name}`);
      open.setAttribute("aria-label", `${entry.watch ? "Watch" : "Open"} the analysis: ${entry.name}`);
      cancel.setAttribute("aria-label", `${entry.cancel ?? "Cancel"}: ${entry.name}`);
      bar.setAttribute("aria-label", `Progress of ${entry.name}`);
    };
    this.#rows.set(key, row);
    return row;
  }

  async #cancel(key, id) {
    try {
      this.uploads.cancel(key);
      if (id) await erase(id);
    } catch (error) {
      this.onProblem(error);
    }
    this.refresh();
  }
}
