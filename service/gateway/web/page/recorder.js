// A short video from the camera.

import { closeCamera, openCamera } from "./camera.js";

const MOST_S = 20;

export class Recorder {
  /** `elements`: start, ways, panel, viewfinder, hint, stop. `onVideo` gets a Blob, `onError` a sentence. */
  constructor(elements, onVideo, onError) {
    Object.assign(this, elements, { onVideo, onError });
    this.start.addEventListener("click", () => this.#record());
    this.stop.addEventListener("click", () => this.recorder?.stop());
  }

  /** Ends a recording that nobody wants any more; nothing if there is none. */
  abandon() {
    this.wanted = false;
    this.recorder?.stop();
  }

  async #record() {
    if (this.wanted) return; // the browser still asks whether the camera may be used
    this.wanted = true;
    let stream;
    try {
      stream = await openCamera(this.viewfinder);
    } catch (error) {
      this.wanted = false;
      this.onError(error.message);
      return;
    }
    if (!this.wanted) {
      closeCamera(this.viewfinder);
      return;
    }
    const pieces = [];
    const begun = performance.now();
    this.recorder = new MediaRecorder(stream);
    this.recorder.ondataavailable = (event) => pieces.push(event.data);
    const tick = () => {
      const seconds = (performance.now() - begun) / 1000;
      this.hint.textContent = `Recording ${seconds.toFixed(0)} of ${MOST_S} s, without sound`;
      if (seconds >= MOST_S) this.recorder?.stop();
    };
    const clock = setInterval(tick, 200);
    this.recorder.onstop = () => {
      clearInterval(clock);
      closeCamera(this.viewfinder);
      this.#show(false);
      this.recorder = null;
      const { wanted } = this;
      this.wanted = false;
      if (wanted) this.onVideo(new Blob(pieces, { type: pieces[0]?.type }));
    };
    this.recorder.start();
    tick();
    this.#show(true);
    this.stop.focus();
  }

  #show(recording) {
    this.ways.hidden = recording;
    this.panel.hidden = !recording;
  }
}
