// The camera, in a video element.

const NONE = "This browser gives pages no camera here: open Mien at localhost or over HTTPS.";
const REFUSED = "The camera cannot be used: allow it for this page, or see whether another program uses it.";

// Whoever opens it aborts `signal` in the end, after a failure too.
/** Shows the camera until `signal` is aborted; gives its stream. Throws an Error whose message says why it cannot. */
export async function openCamera(viewfinder, signal) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(NONE);
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
    const close = () => {
      stream.getTracks().forEach((track) => track.stop());
      if (viewfinder.srcObject !== stream) return;
      viewfinder.srcObject = null;
      viewfinder.hidden = true;
    };
    signal.addEventListener("abort", close);
    if (signal.aborted) close(); // while the browser asked whether the camera may be used
    signal.throwIfAborted();
    viewfinder.srcObject = stream;
    viewfinder.hidden = false;
    await viewfinder.play();
    return stream;
  } catch {
    throw new Error(REFUSED);
  }
}
