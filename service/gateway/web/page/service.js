// The client of the REST API. URLs are relative, so that the page works behind a path prefix.

export class Problem extends Error {
  constructor({ title, detail, code }) {
    super(detail);
    this.title = title;
    this.code = code;
  }
}

const NOBODY = { title: "The service does not respond", detail: "Check that it is running and that you are online, then try again.", code: "" };
const NOT_ENDED = { title: "The analysis has not ended", detail: "Reload this page later.", code: "not_ended" };
const AGAIN_MS = 1000;
const KEY = "mien-key";

/** The API key, kept until this tab is closed; "" if there is none. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text.trim()),
};

const authorized = (headers = {}) => (key.get() ? { ...headers, Authorization: `Bearer ${key.get()}` } : headers);

/** Upload a video; resolve to the accepted analysis. `onProgress` gets the share that was sent, from 0 to 1. */
export function upload(video, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report upload progress
    request.open("POST", "analyze");
    request.setRequestHeader("Prefer", "respond-async");
    request.setRequestHeader("Idempotency-Key", crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(authorized())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () =>
      request.status < 300 ? resolve(JSON.parse(request.response)) : reject(told(request.response, request.status));
    request.onerror = () => reject(new Problem(NOBODY));
    request.onabort = () => reject(new DOMException("Cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(video);
  });
}

/** Yield { name, data } of each event of an analysis, up to `ended`; reconnect after broken connections. */
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
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** Return an analysis that has succeeded; throw the problem of any other. */
export async function read(id) {
  const analysis = await ask(`analyses/${id}`);
  if (analysis.state !== "succeeded") throw new Problem(analysis.error ?? NOT_ENDED);
  return analysis;
}

export const erase = (id) => ask(`analyses/${id}`, { method: "DELETE" });
export const served = () => ask("models");
export const recent = () => ask("analyses?state=succeeded&limit=8");

/** Download an analysis as a Blob: the result as JSON, or the timeline as CSV. */
export const download = async (id, kind) => (await fetched(`analyses/${id}${kind === "csv" ? "/timeline.csv" : ""}`)).blob();

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
