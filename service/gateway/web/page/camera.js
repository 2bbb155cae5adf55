// Open the camera in a video element.

const NONE = "Browsers allow the camera only over HTTPS or at localhost. Open Mien at such an address.";
const REFUSED = "The camera cannot be used. Allow it for this page, and close other programs that use it.";
const LOST = "The camera was unplugged, or this page may no longer use it. Connect it and allow it for this page, then start again.";

// The caller must abort `signal` in the end, also after a failure.
/**
 * Show the camera until `signal` is aborted; return its stream. Throw an Error that says why it cannot. `onLost` gets an
 * Error if the camera ends by itself.
 */
export async function openCamera(viewfinder, signal, onLost = () => {}) {
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
    if (signal.aborted) close(); // while the browser asked for permission
    signal.throwIfAborted();
    for (const track of stream.getTracks()) track.addEventListener("ended", () => onLost(new Error(LOST)), { signal });
    viewfinder.srcObject = stream;
    viewfinder.hidden = false;
    await viewfinder.play();
    return stream;
  } catch {
    throw new Error(REFUSED);
  }
}
