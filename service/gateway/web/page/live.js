// Live analysis of the camera: frames go up a WebSocket, scores of windows come down.

import { drawBoxes } from "./boxes.js";
import { openCamera } from "./camera.js";
import { element } from "./dom.js";
import { inOrder, themeOf } from "./palette.js";
import { defaultName, peopleOf } from "./people.js";
import { peopleChart } from "./plot.js";
import { key, Problem } from "./service.js";
import { capital, expressionPhrase, percent, signed } from "./words.js";

const EVERY_MS = 1000 / 15;
const SIDE = 640; // pixels of the longer side
const QUALITY = 0.8;
const FRESH_S = 2; // after this a person's scores are removed
const HISTORY_S = 60;
const UNSENT_BYTES = 1 << 20; // above this the network is too slow, and frames are skipped

export class Live {
  /** `elements`: viewfinder, boxes, scores, history; `note` is a StatusLine. `onError` is called when the analysis ends by itself. */
  constructor(elements, onError) {
    Object.assign(this, elements, { onError });
  }

  async start() {
    const { signal } = (this.session = new AbortController());
    this.people = new Map();
    this.windows = new Map(); // track → its windows of the last minute
    this.dropped = 0;
    this.first = null;
    this.#draw();
    this.note.say("starting", "Starting…");
    try {
      await openCamera(this.viewfinder, signal, (error) => this.#fail(Object.assign(error, { title: "The camera stopped" })));
    } catch (error) {
      if (!signal.aborted) this.#fail(Object.assign(error, { title: "No camera" }));
      return;
    }
    const address = new URL("live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    signal.addEventListener("abort", () => socket.close());
    // A socket may close after the next session has begun: the signal removes its listeners.
    socket.addEventListener("open", () => this.#send(socket, signal), { signal });
    socket.addEventListener("message", ({ data }) => this.#hear(JSON.parse(data)), { signal });
    socket.addEventListener("close", () => this.#fail(new Error("The connection was closed. Start again.")), { signal });
  }

  /** End the analysis, if one is running. */
  stop() {
    this.session?.abort();
  }

  #fail(error) {
    this.stop();
    this.onError(error);
  }

  #send(socket, signal) {
    const { viewfinder } = this;
    socket.send(JSON.stringify(key.get() ? { options: {}, key: key.get() } : { options: {} }));
    const scale = Math.min(1, SIDE / Math.max(viewfinder.videoWidth, viewfinder.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(viewfinder.videoWidth * scale);
    canvas.height = Math.round(viewfinder.videoHeight * scale);
    const context = canvas.getContext("2d");
    this.#place(canvas);
    const begun = performance.now() / 1000;
    let last = 0;
    const clock = setInterval(() => {
      this.#forget(begun);
      if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > UNSENT_BYTES) return;
      const seconds = performance.now() / 1000;
      this.#place(canvas);
      const { x, y, width, height } = this.placed;
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(viewfinder, x, y, width, height);
      canvas.toBlob(
        async (blob) => {
          if (!blob) return;
          const picture = new Uint8Array(await blob.arrayBuffer());
          if (seconds <= last || socket.readyState !== WebSocket.OPEN) return;
          last = seconds;
          const message = new Uint8Array(8 + picture.length);
          new DataView(message.buffer).setFloat64(0, seconds);
          message.set(picture, 8);
          socket.send(message);
        },
        "image/jpeg",
        QUALITY,
      );
    }, EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(clock));
  }

  // All frames of a session have one size. A phone that is turned changes its picture's shape: bars fill the rest then.
  #place(canvas) {
    this.placed = fitted([this.viewfinder.videoWidth, this.viewfinder.videoHeight], [canvas.width, canvas.height]);
    const { width, height } = this.placed;
    if (this.boxes.width !== width || this.boxes.height !== height) Object.assign(this.boxes, { width, height });
  }

  #hear(told) {
    if (told.event === "problem") {
      this.#fail(new Problem(told));
      return;
    }
    if (told.event !== "window") return;
    const { track } = told.window;
    this.people.set(track, told.window);
    this.windows.set(track, [...(this.windows.get(track) ?? []), told.window]);
    this.dropped = told.dropped_frames;
    this.#draw();
  }

  // No message says that a person has left: only the windows stop.
  #forget(begun) {
    const before = performance.now() / 1000 - FRESH_S;
    const gone = [...this.people].filter(([, window]) => window.end_s < before);
    for (const [track] of gone) this.people.delete(track);
    if (gone.length) this.#draw();
    if (this.people.size) this.note.say(...(this.dropped ? ["skipped", `${this.dropped} frames were skipped to keep up.`] : ["scored", ""]));
    else if (begun < before) this.note.say("faceless", "No face was found. Look at the camera and move closer.");
  }

  #draw() {
    this.scores.replaceChildren(...[...this.people.values()].map(card));
    this.#drawBoxes();
    this.#drawHistory();
  }

  // The canvas has the size of the picture in the frames that are sent; the picture is a mirror, and the labels are not.
  #drawBoxes() {
    const { width, height } = this.boxes;
    const context = this.boxes.getContext("2d");
    context.clearRect(0, 0, width, height);
    const people = [...this.people.values()]
      .filter((window) => window.box)
      .map(({ track, box: [x, y, ...size], ...window }) => ({
        name: defaultName(track),
        timeline: [{ ...window, start_s: 0, end_s: 0 }],
        faces: [{ path: [[0, width - (x - this.placed.x) - size[0], y - this.placed.y, ...size]] }],
      }));
    drawBoxes(context, { people, chosen: null, now: 0, scale: 1, width, unit: Math.max(width, height) / SIDE });
  }

  // The last minute: the axis counts the time since the first window.
  #drawHistory() {
    const all = [...this.windows.values()].flat();
    this.history.hidden = !all.length;
    if (!all.length) return;
    this.first ??= all[0].start_s;
    const now = Math.max(...all.map((window) => window.end_s));
    const from = Math.max(this.first, now - HISTORY_S);
    const faces = [];
    for (const [track, windows] of this.windows) {
      const kept = windows.filter((window) => window.end_s > from);
      this.windows.set(track, kept);
      const timeline = kept.map((window) => ({ ...window, start_s: window.start_s - this.first, end_s: window.end_s - this.first }));
      if (kept.length) faces.push({ track, timeline });
      else this.windows.delete(track);
    }
    const frame = {
      span: [from - this.first, Math.max(now - this.first, 1)],
      width: this.history.clientWidth,
      theme: themeOf(matchMedia("(prefers-color-scheme: dark)").matches),
      markers: [],
    };
    if (faces.length && frame.width) this.history.innerHTML = peopleChart(peopleOf(faces), frame);
  }
}

/** Return where a picture of a size fits into a frame of another, whole and in the middle. Sizes are [width, height]. */
export function fitted([width, height], [most, highest]) {
  const scale = Math.min(most / width, highest / height);
  const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
  return { x: Math.floor((most - size.width) / 2), y: Math.floor((highest - size.height) / 2), ...size };
}

function card(window) {
  const box = element("div", "", "live-card");
  const { colourOf } = themeOf(true); // it stands on the picture, which is dark under it
  const name = defaultName(window.track);
  box.append(element("strong", window.expression ? `${name}: ${expressionPhrase(window.expression)}` : name));
  const scores = window.expression?.scores ?? {};
  for (const label of inOrder(Object.keys(scores))) {
    const share = scores[label];
    const bar = element("span", capital(label), "live-bar");
    bar.append(element("span", percent(share)));
    bar.style.setProperty("--share", share);
    bar.style.setProperty("--colour", colourOf(label));
    box.append(bar);
  }
  if (window.valence !== undefined) {
    box.append(element("span", `valence ${signed(window.valence)} · arousal ${signed(window.arousal)}`));
  }
  return box;
}
