// The video with boxes over its faces, or a slider where the video is not at hand: the clock of the page.

import { capital, percent, person, windowAt } from "./words.js";

export class Stage {
  /** `elements`: stage, video, boxes, scrub, row. `onMoment` gets a time in seconds, many times a second. */
  constructor(elements, onMoment) {
    Object.assign(this, elements);
    this.onMoment = onMoment;
    this.faces = [];
    this.time = 0;
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.video.addEventListener("seeking", () => this.#look());
    this.video.addEventListener("loadeddata", () => this.#look());
    this.video.addEventListener("error", () => this.#without());
    new ResizeObserver(() => this.draw()).observe(this.stage);
    const tick = () => {
      if (!this.video.paused) this.#look();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** Show an analysis; `file` is its video, if it is at hand. */
  show(analysis, file) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = file ? URL.createObjectURL(file) : null;
    this.size = [analysis.video.width, analysis.video.height];
    this.faces = analysis.faces;
    this.time = 0;
    this.scrub.max = analysis.video.duration_s;
    this.scrub.value = 0;
    this.stage.hidden = false;
    if (this.url) {
      this.video.src = this.url;
      this.video.hidden = false;
      this.row.hidden = true;
      this.stage.style.aspectRatio = "";
    } else this.#without();
    this.draw();
  }

  select(track) {
    this.track = track;
    this.draw();
  }

  seek(time) {
    this.time = Math.max(0, time);
    this.scrub.value = this.time;
    if (this.url) this.video.currentTime = this.time;
    this.onMoment(this.time);
    this.draw();
  }

  clear() {
    this.video.removeAttribute("src");
    this.video.load();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    this.faces = [];
  }

  #look() {
    this.time = this.video.currentTime;
    this.onMoment(this.time);
    this.draw();
  }

  // Also a browser that cannot play what could be analysed (MKV, AVI) comes here.
  #without() {
    if (!this.size) return;
    this.url = null;
    this.video.hidden = true;
    this.row.hidden = false;
    this.stage.style.aspectRatio = `${this.size[0]} / ${this.size[1]}`;
    this.draw();
  }

  draw() {
    const { boxes, size } = this;
    if (!size) return;
    const { width, height } = this.stage.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    boxes.width = width * ratio;
    boxes.height = height * ratio;
    boxes.style.width = `${width}px`;
    boxes.style.height = `${height}px`;
    const context = boxes.getContext("2d");
    const scale = Math.min(width / size[0], height / size[1]);
    context.scale(ratio, ratio);
    context.translate((width - size[0] * scale) / 2, (height - size[1] * scale) / 2);
    context.font = "600 14px system-ui, sans-serif";
    for (const face of this.faces) {
      const box = boxAt(face.path, this.time);
      if (box) this.#box(context, face, box.map((value) => value * scale));
    }
  }

  #box(context, face, [x, y, width, height]) {
    const chosen = face.track === this.track;
    context.lineWidth = chosen ? 4 : 2;
    context.strokeStyle = chosen ? "#a9a3ff" : "#ffffffb0";
    context.strokeRect(x, y, width, height);
    const window = windowAt(face.timeline, this.time);
    const shown = window?.expression;
    const text = shown ? `${capital(shown.label)} ${percent(shown.scores[shown.label])}` : person(face);
    const wide = context.measureText(text).width + 12;
    const top = y > 24 ? y - 24 : y;
    context.fillStyle = "#14122ed0";
    context.fillRect(x, top, wide, 24);
    context.fillStyle = "#ffffff";
    context.fillText(text, x + 6, top + 17);
  }
}

/** A face's box [x, y, width, height] at a time, between the points of its path; null where it is not seen. */
export function boxAt(path, time) {
  if (!path.length || time < path[0][0] - 0.1 || time > path[path.length - 1][0] + 0.1) return null;
  let after = path.findIndex(([at]) => at >= time);
  if (after < 0) after = path.length - 1;
  const [one, other] = [path[Math.max(0, after - 1)], path[after]];
  if (other[0] - one[0] > 1) return null; // it was away
  const share = other[0] > one[0] ? Math.min(1, Math.max(0, (time - one[0]) / (other[0] - one[0]))) : 0;
  return [1, 2, 3, 4].map((place) => one[place] + share * (other[place] - one[place]));
}
