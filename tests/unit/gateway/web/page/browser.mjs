// What the page's scripts use of a browser, for tests that run without one.

globalThis.window = new EventTarget();
globalThis.matchMedia = () => ({ matches: false });
globalThis.sessionStorage = { getItem: () => null };
Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
Object.assign(URL, { createObjectURL: () => "blob:", revokeObjectURL: () => {} });

/** The elements that the page made: videos, to get a picture from. */
export const made = [];
globalThis.document = {
  createElement: (name) => {
    if (name === "canvas") return { getContext: () => ({ drawImage: () => {} }), toDataURL: () => "data:image/jpeg" };
    const video = Object.assign(new EventTarget(), { removeAttribute: () => {}, load: () => {} });
    made.push(video);
    return video;
  },
};

export const json = (status, body, retryAfter = null) => ({ status, text: JSON.stringify(body), retryAfter });
export const LOGIN = { status: 200, text: "<!doctype html><title>Sign in</title>", retryAfter: null };

/** Answer each upload by `answer`, a function; return the list of what was sent. */
export function serve(answer) {
  const sent = [];
  globalThis.XMLHttpRequest = class {
    upload = {};
    headers = {};
    open() {}
    setRequestHeader(name, value) {
      this.headers[name] = value;
    }
    getResponseHeader() {
      return this.retryAfter;
    }
    abort() {
      this.onabort();
    }
    send(video) {
      sent.push(video.name);
      const { status, text, retryAfter } = answer(this);
      Object.assign(this, { status, response: text, retryAfter });
      queueMicrotask(() => this.onload());
    }
  };
  return sent;
}

/** Let the page do what is due. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
