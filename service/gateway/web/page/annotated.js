// The video with boxes, names and expressions drawn on it, recorded by the browser while it plays.

import { drawBoxes } from "./boxes.js";

const TYPES = ["video/mp4;codecs=avc1.640028,mp4a.40.2", "video/mp4", "video/webm;codecs=vp9,opus", "video/webm"];
const BITS_PER_PIXEL = 0.15; // of each frame
const NO_PLAY = "This browser cannot play this video. The command draws on it: mien analyze VIDEO --annotate seen.mp4";
const FRAMES_A_SECOND = 30;

/** Return whether this browser can record a video. */
export const canRecord = () => Boolean(globalThis.MediaRecorder && HTMLCanvasElement.prototype.captureStream);

/**
 * Record a video with what `people` show; resolve to a Blob, in the video's own size and with its sound.
 *
 * It takes as long as the video plays: a browser gives no faster way to its pictures and sound together. While the tab
 * is hidden, when browsers draw nothing, it waits. `onProgress` gets the share that is recorded, from 0 to 1.
 */
export async function annotated(file, { analysis, people }, { onProgress, signal }) {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  const sound = new AudioContext();
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  try {
    Object.assign(video, { src: url, playsInline: true });
    await happened(video, "loadeddata", either);
    const { videoWidth: width, videoHeight: height } = video;
    if (!width) throw new Error(NO_PLAY);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    const unit = Math.max(1, Math.min(width, height) / 480); // labels as large, beside the picture, as on the page
    const draw = () => {
      context.drawImage(video, 0, 0, width, height);
      drawBoxes(context, { people, chosen: null, now: video.currentTime, scale: width / analysis.video.width, width, unit });
    };
    const stream = canvas.captureStream();
    const heard = sound.createMediaStreamDestination();
    sound.createMediaElementSource(video).connect(heard); // into the recording, not to the loudspeakers
    heard.stream.getAudioTracks().forEach((track) => stream.addTrack(track));
    const recorder = new MediaRecorder(stream, {
      mimeType: TYPES.find((type) => MediaRecorder.isTypeSupported(type)),
      videoBitsPerSecond: Math.max(1e6, BITS_PER_PIXEL * width * height * FRAMES_A_SECOND),
    });
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    const stopped = new Promise((resolve, reject) => {
      recorder.onstop = resolve;
      recorder.onerror = ({ error }) => reject(error);
    });
    const everyFrame = () => {
      draw();
      onProgress(video.currentTime / video.duration);
      video.requestVideoFrameCallback(everyFrame);
    };
    const look = () => {
      if (document.hidden) video.pause();
      else video.play().catch(() => {});
    };
    document.addEventListener("visibilitychange", look, { signal: either });
    video.onpause = () => recorder.state === "recording" && recorder.pause();
    video.onplay = () => recorder.state === "paused" && recorder.resume();
    draw();
    recorder.start(1000);
    await sound.resume();
    everyFrame();
    look();
    await happened(video, "ended", either);
    recorder.stop();
    await stopped;
    return new Blob(pieces, { type: recorder.mimeType });
  } finally {
    done.abort();
    video.removeAttribute("src");
    video.load(); // otherwise loading fails when its address is revoked
    URL.revokeObjectURL(url);
    sound.close();
  }
}

function happened(video, name, signal) {
  return new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { signal });
    video.addEventListener("error", () => reject(new Error(NO_PLAY)), { signal });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
