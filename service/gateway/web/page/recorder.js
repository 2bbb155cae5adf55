// Record a short video with the camera.

import { openCamera } from "./camera.js";

const MOST_S = 20;

export class Recorder {
  /** `elements`: start, ways, panel, viewfinder, hint, stop, cancel. `onVideo` gets a Blob, `onError` a sentence. */
  constructor(elements, onVideo, onError) {
    Object.assign(this, elements, { onVideo, onError });
    this.start.addEventListener("click", () => this.#record());
    this.cancel.addEventListener("click", () => {
      this.abandon();
      this.start.focus();
    });
  }

  /** Discard the current recording, if there is one. */
  abandon() {
    this.session?.abort();
    this.session = null;
    this.#show(false);
  }

  async #record() {
    if (this.session) return; // the browser still asks for permission
    const { signal } = (this.session = new AbortController());
    let video;
    try {
      video = await this.#film(await openCamera(this.viewfinder, signal), signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted) return;
      this.abandon();
      this.onError(error.message);
      return;
    }
    this.abandon();
    this.onVideo(video);
  }

  /** Resolve to the video when it is stopped or long enough. */
  #film(stream, signal) {
    const recorder = new MediaRecorder(stream);
    const pieces = [];
    recorder.ondataavailable = (event) => pieces.push(event.data);
    const begun = performance.now();
    const tick = () => {
      const seconds = (performance.now() - begun) / 1000;
      this.hint.textContent = `Recording ${seconds.toFixed(0)} of ${MOST_S} s, without sound`;
      if (seconds >= MOST_S) recorder.stop();
    };
    const clock = setInterval(tick, 200);
    signal.addEventListener("abort", () => clearInterval(clock));
    this.stop.onclick = () => recorder.stop();
    recorder.start();
    tick();
    this.#show(true);
    this.stop.focus();
    return new Promise((resolve) => {
      recorder.onstop = () => resolve(new Blob(pieces, { type: pieces[0]?.type }));
    });
  }

  #show(recording) {
    this.ways.hidden = recording;
    this.panel.hidden = !recording;
  }
}
