// The client of the REST API. URLs are relative, so that the page works behind a path prefix.

/** What went wrong. A retry makes sense where it is `passing`, after `retryAfterMs` at the earliest. */
export class Problem extends Error {
  constructor({ title, detail, code, passing = false, retryAfterMs = 0 }) {
    super(detail);
    Object.assign(this, { title, code, passing, retryAfterMs });
  }
}

const NOBODY = {
  title: "The service does not respond",
  detail: "Check that it is running and that you are online, then try again.",
  code: "no_answer",
  passing: true,
};
const UNREADABLE = {
  title: "The file cannot be read any more",
  detail: "It was changed, moved or deleted after you chose it. Choose it again.",
  code: "file_unreadable",
};
const SIGN_IN = {
  title: "The answer does not come from the service",
  detail: "A proxy or your network may want you to sign in. Reload the page, and sign in if you are asked to; uploads then go on.",
  code: "sign_in",
};
const ODD_KEY = {
  title: "The API key is not valid",
  detail: "It has a character that no key has. Copy it again, from “mien_” to its end.",
  code: "key_refused",
};
const AGAIN_MS = 1000;
const LONGEST_MS = 2 ** 31 - 1; // of a timer
const KEY = "mien-key";

/** The API key, kept until this tab is closed; "" if there is none. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text.trim()),
};

/** Return whether another API key may solve a problem. */
export const needsKey = ({ code }) => ["key_required", "key_refused", "scope_missing"].includes(code);
/** Return whether a problem lasts until the user enters a key or signs in. */
export const needsUser = (problem) => needsKey(problem) || problem.code === SIGN_IN.code;

/** Add the API key to headers; a key that no header can hold is refused here, as the service would refuse another. */
function authorized(headers = {}) {
  if (/[^\x21-\x7e]/.test(key.get())) throw new Problem(ODD_KEY);
  return key.get() ? { ...headers, Authorization: `Bearer ${key.get()}` } : headers;
}

/**
 * Upload a video; resolve to the accepted analysis. `onProgress` gets the share that was sent, from 0 to 1.
 *
 * `options` are those of the API.
 *
 * A video that is sent again with the same idempotency key, after a lost connection, gets the same analysis.
 */
export function upload(video, { idempotencyKey, options, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted(); // "abort" does not fire again
    const request = new XMLHttpRequest(); // fetch does not report upload progress
    const query = new URLSearchParams(options).toString();
    request.open("POST", query ? `analyze?${query}` : "analyze");
    request.setRequestHeader("Prefer", "respond-async");
    request.setRequestHeader("Idempotency-Key", idempotencyKey);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(authorized())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      try {
        if (request.status >= 300) throw refusal(request.response, request.status, request.getResponseHeader("Retry-After"));
        resolve(json(request.response));
      } catch (problem) {
        reject(problem);
      }
    };
    // A file that cannot be read is a network error, too.
    request.onerror = () =>
      readable(video).then((is) => reject(new Problem(is ? NOBODY : UNREADABLE)));
    request.onabort = () => reject(new DOMException("Cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(video);
  });
}

/** Return whether a file is still what it was when it was chosen. */
const readable = (file) =>
  file
    .slice(0, 1)
    .arrayBuffer()
    .then(() => true, () => false);

/** Yield { name, data } of each event of an analysis, up to `ended`; while the service is away `lost`, then retry. */
export async function* follow(id, signal) {
  let last = "";
  while (true) {
    let pause = AGAIN_MS;
    try {
      const headers = authorized(last ? { "Last-Event-ID": last } : {});
      const answer = await fetch(`analyses/${id}/events`, { headers, signal });
      if (answer.status === 204) return;
      if (!answer.ok) {
        const problem = refusal(await answer.text(), answer.status, answer.headers.get("Retry-After"));
        if (answer.status < 500 && !problem.passing) throw problem;
        pause = Math.max(pause, problem.retryAfterMs);
        yield { name: "lost" };
      } else if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        throw new Problem(SIGN_IN);
      } else {
        for await (const event of parsed(answer.body)) {
          if (event.id) last = event.id;
          yield event;
          if (event.name === "ended") return;
        }
      }
    } catch (error) {
      if (error instanceof Problem || error.name === "AbortError") throw error;
      yield { name: "lost" };
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Return an analysis in its current state. */
export const read = (id) => ask(`analyses/${id}`);

/** Return whether an analysis has not ended. */
export const underWay = ({ state }) => state === "queued" || state === "running";

export const erase = (id) => ask(`analyses/${id}`, { method: "DELETE" });
export const served = () => ask("models");
/** Return the newest analyses in their current states, without their results. */
export const recent = () => ask("analyses?limit=100");
export const limits = () => ask("page/limits.json");

/** Return the timeline of an analysis as CSV. */
export const timelineCsv = (id) => fetched(`analyses/${id}/timeline.csv`);

async function ask(address, options = {}) {
  const text = await fetched(address, options);
  return text ? json(text) : null;
}

async function fetched(address, options = {}) {
  const headers = authorized();
  let answer, text;
  try {
    answer = await fetch(address, { ...options, headers });
    text = await answer.text();
  } catch {
    throw new Problem(NOBODY);
  }
  if (!answer.ok) throw refusal(text, answer.status, answer.headers.get("Retry-After"));
  return text;
}

/** Parse an answer of the service; what is not JSON is the page of a proxy or of a captive portal. */
function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(SIGN_IN);
  }
}

/** Return the problem that an error response describes. */
function refusal(text, status, retryAfter) {
  const unknown = { title: "Something went wrong", detail: `The service responded with status ${status}. Try again.`, code: "" };
  let said = [401, 403].includes(status) ? SIGN_IN : unknown; // a proxy's, unless it is the service's JSON
  try {
    said = { ...said, ...JSON.parse(text) };
  } catch {
    // It is not JSON.
  }
  // Errors with Retry-After are temporary, and so are those of a proxy while the service is down.
  return new Problem({ ...said, passing: status >= 502 || Boolean(retryAfter), retryAfterMs: milliseconds(retryAfter) });
}

/** Return the time of a Retry-After header, which holds seconds or a date. */
function milliseconds(retryAfter) {
  const seconds = Number(retryAfter);
  const wait = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : 1000 * seconds;
  return Math.min(Math.max(wait || 0, 0), LONGEST_MS);
}

/** Parse a stream of bytes as server-sent events (HTML standard). */
async function* parsed(body) {
  let rest = "";
  let event = { name: "message", data: "", id: "" };
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + decoder.decode(part.value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data) yield { ...event, data: JSON.parse(event.data) };
        event = { name: "message", data: "", id: "" };
      } else {
        const [, field, value] = line.match(/^([^:]*):? ?(.*)$/);
        if (field === "event") event.name = value;
        if (field === "data") event.data += value;
        if (field === "id") event.id = value;
      }
    }
  }
}
