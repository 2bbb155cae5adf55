// Small pictures from a video that the browser can play: of the whole, and of each face.

const SIDE = 72; // pixels
const HANG_MS = 10_000; // a video that has not given a picture by then gives none

/** Return a small picture of a video as a data URL; "" if the browser cannot play it. */
export async function thumbnail(file) {
  const whole = (video) => [0, 0, video.videoWidth, video.videoHeight];
  for await (const canvas of pictures(file, () => [[0, whole]])) return canvas.toDataURL("image/jpeg", 0.7);
  return "";
}

/** Call `onPicture` with each face and a canvas of its picture until `signal` is aborted. */
export async function portraits(analysis, file, onPicture, signal) {
  const seen = analysis.faces.filter((face) => face.path.length);
  const places = () =>
    seen.map((face) => {
      const [time, ...box] = face.path[Math.floor(face.path.length / 2)];
      return [time, () => box]; // in pixels of the frame at that time
    });
  let number = 0;
  for await (const canvas of pictures(file, places)) {
    if (signal.aborted) return;
    onPicture(seen[number], canvas);
    number += 1;
  }
}

/** Yield a canvas for each [time, function from the video to a box] of `places`; none if the browser cannot play it. */
async function* pictures(file, places) {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  Object.assign(video, { muted: true, preload: "auto", src: url });
  try {
    await happened(video, "loadeddata");
    for (const [time, boxOf] of places(video)) {
      if (time) {
        video.currentTime = time;
        await happened(video, "seeked");
      }
      const [x, y, width, height] = boxOf(video);
      if (!width || !height) return; // sound without a picture that the browser can decode
      const canvas = document.createElement("canvas");
      const scale = SIDE / Math.min(width, height);
      Object.assign(canvas, { width: Math.min(2 * SIDE, width * scale), height: Math.min(2 * SIDE, height * scale) });
      canvas.getContext("2d").drawImage(video, x, y, width, height, 0, 0, canvas.width, canvas.height);
      yield canvas;
    }
  } catch {
    // The browser cannot play the video: there are no pictures.
  } finally {
    video.removeAttribute("src");
    video.load(); // otherwise loading fails when its address is revoked
    URL.revokeObjectURL(url);
  }
}

function happened(video, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, HANG_MS);
    const end = (then) => () => {
      clearTimeout(timer);
      then();
    };
    video.addEventListener(name, end(resolve), { once: true });
    video.addEventListener("error", end(reject), { once: true });
  });
}
