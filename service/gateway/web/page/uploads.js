// The queue of uploads: one at a time, retried after a lost connection, resumed after a reload.

import { newKey } from "./library.js";
import { needsKey, needsUser, Problem, upload } from "./service.js";
import { thumbnail } from "./thumbnail.js";
import { written } from "./words.js";

const AGAIN_MS = [1000, 2000, 5000, 10_000, 20_000];

/**
 * Fires "change" when an upload changes. An upload: { key, name, file, state, share, problem, id }, with the states
 *
 *     waiting ─▶ uploading ─▶ sent
 *        ▲       │ │ ▲ └────▶ refused
 *        │       │ ▼ │
 *        │       │ retrying         lost: its file went with a reload; add it again
 *        └─ paused                  paused, and all others with it: a key or a sign-in is needed
 *
 * Fires "paused", with the problem as its detail, when the user must do something first.
 */
export class Uploads extends EventTarget {
  #library;
  #all = new Map();
  #current = null;
  #pictured = Promise.resolve(); // resolves when the last picture is made

  constructor(library) {
    super();
    this.#library = library;
  }

  get all() {
    return [...this.#all.values()];
  }

  of(key) {
    return this.#all.get(key);
  }

  /** Return the file of an analysis, if this page has it. */
  fileOf(id) {
    return this.all.find((one) => one.id === id)?.file ?? null;
  }

  /** Remember the file of an analysis. */
  attach(id, file) {
    const { key, name } = this.#library.recordOf(id);
    this.#all.set(key, { key, name, file, state: "sent", share: 1, id });
  }

  /** Resume the uploads that a reload interrupted. */
  resume() {
    for (const { key, id, name, file, added } of this.#library.all.sort((one, other) => one.added - other.added)) {
      if (!id) this.#all.set(key, { key, name, file, added, state: file ? "waiting" : "lost", share: 0, id: null, resumed: true });
    }
    this.#work();
  }

  /** Add files; return their uploads. A file whose upload was lost resumes that one. Without `faces` the service's default is used. */
  add(files, faces = null) {
    const added = files.map((file, number) => {
      const name = file.name ?? "Your recording";
      const same = ({ size, modified, id, key }) =>
        !id && size === file.size && modified === file.lastModified && this.of(key)?.state === "lost" && this.of(key).name === name;
      const key = this.#library.all.find(same)?.key ?? newKey();
      const record = this.#library.keep({ key, name, size: file.size, modified: file.lastModified, file, faces, added: Date.now() + number });
      const one = { key, name, file, added: record.added, state: "waiting", share: 0, id: null };
      this.#all.set(key, one);
      // One after the other: a browser that plays many videos at once may give none of them in time.
      one.picture = this.#pictured.then(() => thumbnail(file));
      this.#pictured = one.picture.then((picture) => {
        if (!picture || !this.#library.all.some((kept) => kept.key === key)) return;
        this.#library.keep({ key, thumbnail: picture });
        this.#tell();
      });
      return one;
    });
    this.unpause();
    return added;
  }

  /** Go on with paused uploads, after the user entered a key, for example. */
  unpause() {
    for (const one of this.all) if (one.state === "paused") one.state = "waiting";
    this.#work();
  }

  /** Cancel an upload and delete its record. */
  cancel(key) {
    const one = this.of(key);
    this.#all.delete(key);
    this.#library.forget(key);
    one?.abort?.abort();
    this.#work(); // the others no longer wait for a paused one
  }

  /** Delete the record of an analysis. */
  forget(id) {
    const record = this.#library.of(id);
    if (record) this.cancel(record.key);
  }

  async #work() {
    this.#tell();
    if (this.#current) return;
    while ((this.#current = this.#next())) await this.#send(this.#current);
  }

  #next() {
    if (this.all.some((one) => one.state === "paused")) return null;
    return this.all.find((one) => one.state === "waiting");
  }

  async #send(one) {
    one.abort = new AbortController();
    // Another tab may be sending, or have sent or cancelled, an upload that this one found after a reload.
    if (!navigator.locks) return this.#upload(one);
    const { signal } = one.abort;
    try {
      await navigator.locks.request(`mien ${one.key}`, { signal }, async () => {
        const record = one.resumed ? await this.#library.latest(one.key) : one;
        signal.throwIfAborted();
        if (record?.id) {
          this.#library.keep({ key: one.key, id: record.id, file: null });
          Object.assign(one, { state: "sent", id: record.id });
          this.#tell();
        } else if (record) {
          await this.#upload(one);
          await this.#library.latest(one.key); // so that the record is deleted before another tab looks
        } else this.cancel(one.key); // there
      });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #upload(one) {
    const { signal } = one.abort;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        one.state = "uploading";
        this.#tell();
        const onProgress = (share) => {
          one.share = share;
          this.#tell();
        };
        const options = await this.#options(one);
        const { id } = await upload(one.file, { idempotencyKey: one.key, options, onProgress, signal });
        this.#library.keep({ key: one.key, id, file: null });
        Object.assign(one, { state: "sent", id, problem: null });
      } catch (problem) {
        if (signal.aborted) return;
        one.problem = problem;
        if (problem.passing) {
          const pause = Math.max(AGAIN_MS[Math.min(attempt, AGAIN_MS.length - 1)], problem.retryAfterMs);
          if (problem.retryAfterMs) one.problem = timed(problem, pause);
          one.state = "retrying";
          this.#tell();
          await passed(pause, signal, { orOnline: !problem.retryAfterMs });
          continue;
        }
        if (needsUser(problem)) this.#pause(one, problem);
        else {
          one.state = "refused";
          this.#library.forget(one.key);
        }
      }
      this.#tell();
      return;
    }
  }

  /** Keep an upload until the user has entered a key or signed in. */
  #pause(one, problem) {
    const detail = "Enter a key that may analyse videos; the upload then goes on.";
    one.problem = needsKey(problem) ? new Problem({ title: problem.title, detail, code: problem.code }) : problem;
    Object.assign(one, { state: "paused", share: 0 });
    this.dispatchEvent(new CustomEvent("paused", { detail: one.problem }));
  }

  // A video that this browser cannot play is seen through pictures that the service makes. The answer is kept: an upload
  // that is sent again under its key must be the same.
  async #options({ key, file, picture, abort: { signal } }) {
    const record = this.#library.all.find((one) => one.key === key);
    const pictures = record?.pictures ?? !(await (picture ?? thumbnail(file)));
    signal.throwIfAborted(); // a cancelled upload is neither sent nor kept again
    if (record) this.#library.keep({ key, pictures });
    return { ...(record?.faces && { faces: record.faces }), ...(pictures && { pictures }) };
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Return a problem whose title, which is what is shown during retries, also says why and when the next one is. */
function timed({ title, message, code }, pause) {
  return new Problem({ title: `${title}: ${message} Next attempt: ${written(Date.now() + pause)}`, detail: message, code });
}

/** Wait some time, less where the upload is cancelled or, with `orOnline`, the browser is online again. */
function passed(milliseconds, signal, { orOnline }) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const sooner = () => {
      clearTimeout(timer);
      resolve();
    };
    if (orOnline) window.addEventListener("online", sooner, { once: true });
    signal.addEventListener("abort", sooner, { once: true });
  });
}
