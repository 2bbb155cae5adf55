// A short video from the camera.

const MOST_S = 20;

export class Recorder {
  /** `elements`: button, viewfinder, hint. `onVideo` gets a Blob, `onError` a sentence. */
  constructor({ button, viewfinder, hint }, onVideo, onError) {
    Object.assign(this, { button, viewfinder, hint, onVideo, onError });
    button.addEventListener("click", () => (this.recorder ? this.recorder.stop() : this.#start()));
  }

  async #start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      this.onError("This browser gives pages no camera here: open Mien at localhost or over HTTPS.");
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
    } catch {
      this.onError("The camera cannot be used: allow it for this page, or see whether another program uses it.");
      return;
    }
    this.viewfinder.srcObject = stream;
    this.viewfinder.hidden = false;
    await this.viewfinder.play();
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
      stream.getTracks().forEach((track) => track.stop());
      this.viewfinder.hidden = this.hint.hidden = true;
      this.viewfinder.srcObject = null;
      this.button.textContent = "Record with the camera";
      this.recorder = null;
      this.onVideo(new Blob(pieces, { type: pieces[0]?.type }));
    };
    this.recorder.start();
    this.hint.hidden = false;
    this.button.textContent = "Stop and analyse";
  }
}
