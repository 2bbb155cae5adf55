// The view of an analysis under way: its upload, its progress, and charts that grow with each window.

import { Charts } from "./charts.js";
import { $ } from "./dom.js";
import { defaultName, peopleOf } from "./people.js";
import { erase, follow, Problem } from "./service.js";
import { StatusLine } from "./statusline.js";
import { TimeView } from "./timeview.js";
import { clock, percent, phrases } from "./words.js";

const DRAW_MS = 500;

export class Working {
  #session = null;
  #key = null; // of an upload that is not sent yet
  #view = new TimeView();
  #status = new StatusLine($("stage-name"), $("stage-spoken"));

  /** `onSent` gets an id once an upload is accepted, `onEnded` the last event of an analysis, `onProblem` an error. */
  constructor({ uploads, library, onSent, onEnded, onProblem, onCancelled }) {
    Object.assign(this, { uploads, library, onSent, onEnded, onProblem, onCancelled });
    const elements = { people: $("growing-people"), expression: $("growing-expression"), dimensions: $("growing-dimensions") };
    this.charts = new Charts(elements, this.#view, (time) => this.#view.mark(time));
    uploads.addEventListener("change", () => this.#sayUpload());
    $("stop").addEventListener("click", () => this.#cancel());
  }

  /** The id of the analysis that is followed. */
  id = null;

  get active() {
    return Boolean(this.#key || this.id);
  }

  /** Leave the view; uploads and analyses continue. */
  leave() {
    this.#session?.abort();
    this.#session = this.#key = this.id = null;
  }

  /** Watch an upload and then its analysis. */
  watchUpload({ key, name }) {
    this.leave();
    this.#show(name);
    this.#key = key;
    $("progress").max = 1;
    this.#sayUpload();
  }

  /** Follow an analysis to its end. */
  async watch(id) {
    this.leave();
    const { signal } = (this.#session = new AbortController());
    this.id = id;
    this.#show(this.library.of(id)?.name || "Analysing");
    $("progress").removeAttribute("value");
    this.#status.say("queued", "Waiting for a worker…");
    try {
      const ended = await this.#follow(id, signal);
      if (signal.aborted) return;
      this.leave();
      this.onEnded(id, ended);
    } catch (problem) {
      if (signal.aborted) return;
      this.leave();
      this.onProblem(problem);
    }
  }

  async #follow(id, signal) {
    let faces = new Map();
    let scored = 0;
    let length = 0;
    const timer = setInterval(() => scored && this.#draw(faces, length), DRAW_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    try {
      for await (const { name, data } of follow(id, signal)) {
        if (name === "lost") this.#status.say("lost", "The service does not answer. Trying again; the analysis goes on.");
        if (name === "began") [faces, scored] = [new Map(), 0];
        if (name === "window") {
          scored += 1;
          const face = faces.get(data.track) ?? { track: data.track, start_s: data.start_s, timeline: [], path: [] };
          face.timeline.push(data);
          face.end_s = data.end_s;
          faces.set(data.track, face);
          length = Math.max(length, data.end_s);
          $("latest").textContent = [`${defaultName(data.track)} at ${clock(data.start_s)}`, ...phrases(data)].join(" · ");
        }
        if (name === "progress") {
          length = Math.max(length, data.total_s ?? 0);
          this.#sayProgress(data, scored);
        }
        if (name === "ended") return data;
      }
      return { state: "succeeded" }; // no event follows the last one, because the analysis has ended
    } finally {
      clearInterval(timer);
    }
  }

  #draw(faces, length) {
    const people = peopleOf([...faces.values()].sort((one, other) => one.track - other.track));
    $("growing").hidden = false;
    if (this.#view.length !== length) this.#view.reset(length);
    this.charts.show(people, people[0]);
  }

  #show(name) {
    $("work-title").textContent = name;
    $("latest").textContent = "";
    $("growing").hidden = true;
    if (!$("work").contains(document.activeElement)) $("work-title").focus(); // what the video was chosen with is gone
  }

  #sayUpload() {
    if (!this.#key) return;
    const one = this.uploads.of(this.#key);
    if (!one) return;
    if (one.state === "sent") {
      this.#key = null;
      this.onSent(one.id);
    } else if (one.state === "refused") {
      this.leave();
      this.onProblem(one.problem);
    } else {
      $("progress").value = one.share;
      const state = one.state === "waiting" && !this.#othersGoBefore(one) ? "uploading" : one.state;
      this.#status.say(state, uploadState({ ...one, state }));
    }
  }

  #othersGoBefore(one) {
    return this.uploads.all.some((other) => other !== one && !["sent", "refused", "lost"].includes(other.state));
  }

  #sayProgress({ done_s, total_s }, windows) {
    if (total_s) {
      $("progress").max = total_s;
      $("progress").value = Math.min(done_s, total_s);
    }
    const of = total_s ? ` of ${clock(total_s)}` : "";
    const scored = windows === 1 ? "1 window scored" : `${windows} windows scored`;
    this.#status.say("analysing", `Analysing: ${clock(done_s)}${of}, ${scored}`);
  }

  async #cancel() {
    const { id } = this;
    if (this.#key) this.uploads.cancel(this.#key);
    this.leave();
    if (id) {
      this.uploads.forget(id);
      await erase(id).catch((error) => error instanceof Problem && this.onProblem(error));
    }
    this.onCancelled();
  }
}

/** Describe the state of an upload. */
export function uploadState({ state, share, problem }) {
  if (state === "waiting") return "Waiting for the other uploads";
  if (state === "uploading") return share ? `Uploading: ${percent(share)}` : "Uploading…";
  if (state === "retrying") return `${problem.title}. The upload starts again by itself.`;
  if (state === "lost") return "The upload was cut off. Drop the same file again to go on.";
  return problem ? `${problem.title}: ${problem.message}` : "";
}
