// Small pictures of each person, cropped from the video if the browser has it and can play it.

const SIDE = 72; // pixels

/** Call `onPicture` with each face and a canvas of its picture until `signal` is aborted. */
export async function portraits(analysis, file, onPicture, signal) {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  Object.assign(video, { muted: true, preload: "auto", src: url });
  try {
    await happened(video, "loadeddata");
    const scale = video.videoWidth / analysis.video.width;
    for (const face of analysis.faces) {
      const [time, x, y, width, height] = face.path[Math.floor(face.path.length / 2)];
      video.currentTime = time;
      await happened(video, "seeked");
      if (signal.aborted) return;
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = SIDE;
      canvas.getContext("2d").drawImage(video, x * scale, y * scale, width * scale, height * scale, 0, 0, SIDE, SIDE);
      onPicture(face, canvas);
    }
  } catch {
    // The browser cannot play the video: there are no pictures.
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(url);
  }
}

function happened(video, name) {
  return new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", reject, { once: true });
  });
}
