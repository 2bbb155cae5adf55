// The player: the video with boxes over its faces. Without the video it plays the boxes alone.

import { drawBoxes } from "./boxes.js";
import { codecOf } from "./codec.js";
import { clock } from "./words.js";

const PRINTED_PX = 480;

export class Stage {
  #printed = null; // the size of the stage on paper

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
    // If the browser has no decoder for the picture, it plays the sound only, and the video has no size.
    this.video.addEventListener("loadedmetadata", () => this.video.videoWidth || this.#without());
    for (const name of ["seeking", "loadeddata", "resize", "pause"]) this.video.addEventListener(name, () => this.#look());
    this.video.addEventListener("error", () => this.#without());
    new ResizeObserver(() => this.draw()).observe(this.stage);
    // On paper the stage has the shape of the video, and the boxes are stretched over it.
    window.addEventListener("beforeprint", () => this.#print(true));
    window.addEventListener("afterprint", () => this.#print(false));
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
    this.pictures = picturesOf(analysis.faces, () => this.draw());
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

  pause() {
    this.video.pause();
    this.#run(false);
  }

  clear() {
    this.video.removeAttribute("src");
    this.video.load();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    this.people = [];
    this.#run(false);
  }

  #print(printing) {
    const [width, height] = this.size ?? [];
    this.#printed = printing && width ? { width: PRINTED_PX, height: (PRINTED_PX * height) / width } : null;
    this.draw();
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
    const rest = this.pictures.size
      ? "You see small pictures of the faces instead, one a second or fewer, which the service erases with the result."
      : "The boxes show where the faces are.";
    this.#have(false, `This browser cannot play this video. Everything else works. ${rest}`);
    this.draw();
    const codec = await codecOf(file).catch(() => "");
    if (codec && this.file === file) this.missing.textContent = this.missing.textContent.replace("this video", `${codec} video, as many phones film it`);
  }

  #have(video, why = `The service has erased the video. ${this.pictures.size ? "Small pictures of the faces are kept with the result." : "The boxes show where the faces were."}`) {
    this.video.hidden = !video;
    this.missing.textContent = video ? "" : why;
    this.missing.hidden = video;
    this.attach.hidden = video || Boolean(this.file);
  }

  draw() {
    const { boxes, video } = this;
    if (!this.size) return;
    // A camera that is turned changes the picture's size; boxes are in pixels of the frame at their time.
    const size = this.url && video.videoWidth ? [video.videoWidth, video.videoHeight] : this.size;
    const { width, height } = this.#printed ?? this.stage.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    boxes.width = width * ratio;
    boxes.height = height * ratio;
    boxes.style.width = `${width}px`;
    boxes.style.height = `${height}px`;
    const context = boxes.getContext("2d");
    const scale = Math.min(width / size[0], height / size[1]);
    context.scale(ratio, ratio);
    context.translate((width - size[0] * scale) / 2, (height - size[1] * scale) / 2);
    drawBoxes(context, {
      people: this.people,
      chosen: this.chosen,
      now: this.now,
      scale,
      width: size[0] * scale,
      full: (person) => person === this.chosen,
      pictures: this.url ? null : this.pictures,
    });
  }
}

/** Return track → its pictures as { time_s, image }, of the faces that have some. */
function picturesOf(faces, onLoad) {
  const loaded = ({ time_s, jpeg }) => {
    const image = new Image();
    image.onload = onLoad;
    image.src = `data:image/jpeg;base64,${jpeg}`;
    return { time_s, image };
  };
  return new Map(faces.filter((face) => face.pictures?.length).map((face) => [face.track, face.pictures.map(loaded)]));
}
