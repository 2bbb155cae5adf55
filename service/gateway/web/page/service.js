// The client of the REST API. URLs are relative, so that the page works behind a path prefix.

export class Problem extends Error {
  constructor({ title, detail, code }) {
    super(detail);
    this.title = title;
    this.code = code;
  }
}

const NOBODY = { title: "The service does not respond", detail: "Check that it is running and that you are online, then try again.", code: "no_answer" };
const AGAIN_MS = 1000;
const KEY = "mien-key";

/** The API key, kept until this tab is closed; "" if there is none. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text.trim()),
};

const authorized = (headers = {}) => (key.get() ? { ...headers, Authorization: `Bearer ${key.get()}` } : headers);

/**
 * Upload a video; resolve to the accepted analysis. `onProgress` gets the share that was sent, from 0 to 1.
 *
 * `options` are those of the API.
 *
 * A video that is sent again with the same idempotency key, after a lost connection, gets the same analysis. A problem
 * after which a retry makes sense is `passing`.
 */
export function upload(video, { idempotencyKey, options, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report upload progress
    const query = new URLSearchParams(options).toString();
    request.open("POST", query ? `analyze?${query}` : "analyze");
    request.setRequestHeader("Prefer", "respond-async");
    request.setRequestHeader("Idempotency-Key", idempotencyKey);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(authorized())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () =>
      request.status < 300 ? resolve(JSON.parse(request.response)) : reject(refusal(request));
    request.onerror = () => reject(passing(new Problem(NOBODY)));
    request.onabort = () => reject(new DOMException("Cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(video);
  });
}

// Errors with Retry-After are temporary, and so are those of a proxy while the service is down.
function refusal(request) {
  const problem = told(request.response, request.status);
  return request.status >= 502 || request.getResponseHeader("Retry-After") ? passing(problem) : problem;
}

const passing = (problem) => Object.assign(problem, { passing: true });

/** Yield { name, data } of each event of an analysis, up to `ended`; after a broken connection `lost`, then retry. */
export async function* follow(id, signal) {
  let last = "";
  while (true) {
    try {
      const headers = authorized(last ? { "Last-Event-ID": last } : {});
      const answer = await fetch(`analyses/${id}/events`, { headers, signal });
      if (answer.status === 204) return;
      if (!answer.ok) {
        const problem = told(await answer.text(), answer.status);
        if (answer.status < 500) throw problem;
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
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
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
export const timelineCsv = async (id) => (await fetched(`analyses/${id}/timeline.csv`)).text();

async function ask(address, options = {}) {
  const text = await (await fetched(address, options)).text();
  return text ? JSON.parse(text) : null;
}

async function fetched(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { ...options, headers: authorized() });
  } catch {
    throw new Problem(NOBODY);
  }
  if (!answer.ok) throw told(await answer.text(), answer.status);
  return answer;
}

function told(text, status) {
  try {
    return new Problem(JSON.parse(text));
  } catch {
    return new Problem({ title: "Something went wrong", detail: `The service responded with status ${status}. Try again.`, code: "" });
  }
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
