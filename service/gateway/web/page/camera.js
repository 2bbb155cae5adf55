// The camera, in a video element.

const NONE = "This browser gives pages no camera here: open Mien at localhost or over HTTPS.";
const REFUSED = "The camera cannot be used: allow it for this page, or see whether another program uses it.";

/** Shows the camera; gives its stream. Throws an Error whose message says why it cannot. */
export async function openCamera(viewfinder) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(NONE);
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
  } catch {
    throw new Error(REFUSED);
  }
  viewfinder.srcObject = stream;
  viewfinder.hidden = false;
  await viewfinder.play();
  return stream;
}

export function closeCamera(viewfinder) {
  viewfinder.srcObject?.getTracks().forEach((track) => track.stop());
  viewfinder.srcObject = null;
  viewfinder.hidden = true;
}
