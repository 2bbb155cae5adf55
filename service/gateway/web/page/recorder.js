// A short video from the camera.

import { closeCamera, openCamera } from "./camera.js";

const MOST_S = 20;

export class Recorder {
  /** `elements`: button, viewfinder, hint. `onVideo` gets a Blob, `onError` a sentence. */
  constructor({ button, viewfinder, hint }, onVideo, onError) {
    Object.assign(this, { button, viewfinder, hint, onVideo, onError });
    button.addEventListener("click", () => (this.recorder ? this.recorder.stop() : this.#start()));
  }

  async #start() {
    let stream;
    try {
      stream = await openCamera(this.viewfinder);
    } catch (error) {
      this.onError(error.message);
      return;
    }
    const pieces = [];
    const begun = performance.now();
    this.recorder = new MediaRecorder(stream);
    this.recorder.ondataavailable = (event) => pieces.push(event.data);
    const clock = setInterval(() => {
      const seconds = (performance.now() - begun) / 1000;
      this.hint.textContent = `Recording, ${seconds.toFixed(0)} of ${MOST_S} s at most. The sound is not recorded.`;
      if (seconds >= MOST_S) this.recorder?.stop();
    }, 200);
    this.recorder.onstop = () => {
      clearInterval(clock);
      closeCamera(this.viewfinder);
      this.hint.hidden = true;
      this.button.textContent = "Record with the camera";
      this.recorder = null;
      this.onVideo(new Blob(pieces, { type: pieces[0]?.type }));
    };
    this.recorder.start();
    this.hint.hidden = false;
    this.button.textContent = "Stop and analyse";
  }
}
