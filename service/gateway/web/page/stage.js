// The player: the video with boxes over its faces. Without the video it plays the boxes alone.

import { codecOf } from "./codec.js";
import { boxAt, windowAt } from "./timeline.js";
import { clock, expressionPhrase } from "./words.js";

export class Stage {
  /** `elements`: stage, video, boxes, scrub, play, time, missing, attach. `onMoment` gets a time in seconds, many times a second. */
  constructor(elements, onMoment) {
    Object.assign(this, elements);
    this.onMoment = onMoment;
    this.people = [];
    this.now = 0;
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.play.addEventListener("click", () => this.#toggle());
    this.video.addEventListener("click", () => this.#toggle());
    for (const name of ["play", "pause", "ended", "emptied"]) this.video.addEventListener(name, () => this.#sayPlaying());
    // Where the browser has no decoder for the picture, it plays the sound: the video has no size then.
    this.video.addEventListener("loadedmetadata", () => this.video.videoWidth || this.#without());
    for (const name of ["seeking", "loadeddata", "pause"]) this.video.addEventListener(name, () => this.#look());
    this.video.addEventListener("error", () => this.#without());
    new ResizeObserver(() => this.draw()).observe(this.stage);
    let last = 0;
    const tick = (now) => {
      if (!this.video.paused) this.#look();
      else if (this.running) this.#advance((now - last) / 1000);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** Show an analysis; `file` is its video, if the page has it. */
  show(analysis, file) {
    this.clear();
    this.file = file;
    this.url = file ? URL.createObjectURL(file) : null;
    this.size = [analysis.video.width, analysis.video.height];
    this.people = [];
    this.length = analysis.video.duration_s;
    this.scrub.max = this.length;
    this.stage.style.aspectRatio = `${this.size[0]} / ${this.size[1]}`;
    this.#have(Boolean(this.url));
    if (this.url) this.video.src = this.url;
    this.#tell(0);
  }

  /** Draw the boxes of people; one of them is chosen. */
  select(people, chosen) {
    Object.assign(this, { people, chosen });
    this.draw();
  }

  seek(time) {
    this.#tell(Math.min(Math.max(0, time), this.length));
    if (this.url) this.video.currentTime = this.now;
  }

  clear() {
    this.video.removeAttribute("src");
    this.video.load();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    this.people = [];
    this.#run(false);
  }

  #toggle() {
    if (!this.url) this.#run(!this.running);
    else if (!this.video.paused) this.video.pause();
    else this.video.play().catch(() => {}); // the event "error" reports it
  }

  #sayPlaying() {
    const playing = !this.video.paused || this.running;
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.play.classList.toggle("playing", playing);
  }

  // Without a video, the time runs by itself.
  #run(running) {
    if (running && this.now >= this.length) this.seek(0);
    this.running = running;
    this.#sayPlaying();
  }

  #advance(seconds) {
    this.seek(this.now + seconds);
    if (this.now >= this.length) this.#run(false);
  }

  #look() {
    if (this.url) this.#tell(this.video.currentTime);
  }

  #tell(time) {
    this.now = time;
    this.scrub.value = time;
    const said = `${clock(time)} of ${clock(this.length)}`;
    this.scrub.setAttribute("aria-valuetext", said);
    this.time.textContent = said.replace("of", "/");
    this.onMoment(time);
    this.draw();
  }

  // The browser cannot play the video, for example MKV, AVI, or HEVC from a phone.
  async #without() {
    if (!this.url) return;
    const { file } = this;
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.url);
    this.url = null;
    this.#have(false, "This browser cannot play this video. The charts and all else work: the boxes show where the faces are.");
    this.draw();
    const codec = await codecOf(file).catch(() => "");
    if (codec && this.file === file) this.missing.textContent = this.missing.textContent.replace("this video", `${codec} video, as many phones film it`);
  }

  #have(video, why = "The service has erased the video. The boxes show where the faces were.") {
    this.video.hidden = !video;
    this.missing.textContent = video ? "" : why;
    this.missing.hidden = video;
    this.attach.hidden = video || Boolean(this.file);
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
    context.font = "600 13px system-ui, sans-serif";
    const chosenLast = [...this.people].sort((one, other) => (one === this.chosen) - (other === this.chosen));
    for (const person of chosenLast) {
      for (const face of person.faces) {
        const box = boxAt(face.path, this.now);
        if (box) this.#box(context, person, box.map((value) => value * scale), size[0] * scale);
      }
    }
  }

  #box(context, person, [x, y, width, height], most) {
    const chosen = person === this.chosen;
    context.lineWidth = chosen ? 3 : 1.5;
    context.strokeStyle = chosen ? "#a9a3ff" : "#ffffffb0";
    context.beginPath();
    context.roundRect(x, y, width, height, 8);
    context.stroke();
    const shown = windowAt(person.timeline, this.now)?.expression;
    // The others' labels would lie over each other.
    const text = chosen && shown ? `${person.name}: ${expressionPhrase(shown)}` : person.name;
    const wide = context.measureText(text).width + 14;
    const left = Math.max(0, Math.min(x, most - wide));
    const top = y > 28 ? y - 28 : y + height + 4;
    context.fillStyle = chosen ? "#14122ef0" : "#14122eb0";
    context.beginPath();
    context.roundRect(left, top, wide, 24, 6);
    context.fill();
    context.fillStyle = "#ffffff";
    context.fillText(text, left + 7, top + 16.5);
  }
}
