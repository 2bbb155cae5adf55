import assert from "node:assert/strict";
import { test } from "node:test";

import { json, LOGIN, made, serve, settled } from "./browser.mjs";
import { page } from "./page.mjs";

const { Library } = await page("library");
const { upload } = await page("service");
const { Uploads } = await page("uploads");
const { uploadState } = await page("working");

const ACCEPTED = json(202, { id: "one" });

/** Uploads that a reload interrupted, and the library that kept them. */
function interrupted(...names) {
  const library = new Library();
  names.forEach((name, added) => library.keep({ key: name, name, file: { name }, pictures: false, added: added + 1 }));
  return { library, uploads: new Uploads(library) };
}

const states = (uploads) => uploads.all.map((one) => one.state);

test("an analysis is forgotten that was uploaded before the page was opened", () => {
  const kept = new Map([["key", { key: "key", id: "one" }]]);
  const library = {
    all: [...kept.values()],
    of: (id) => [...kept.values()].find((record) => record.id === id),
    forget: (key) => kept.delete(key),
  };
  const uploads = new Uploads(library);
  uploads.resume();

  uploads.forget("one");
  uploads.forget("unknown");

  assert.equal(kept.size, 0);
});

test("an upload that is cancelled before its picture is made is neither sent nor kept", async () => {
  const sent = serve(() => ACCEPTED);
  const library = new Library();
  const uploads = new Uploads(library);
  const [one] = uploads.add([{ name: "private.mp4", size: 5, lastModified: 1 }]);
  await settled();

  uploads.cancel(one.key);
  made.at(-1).dispatchEvent(new Event("error")); // the browser cannot play it
  await settled();

  assert.deepEqual(sent, []);
  assert.deepEqual(library.all, []);
});

test("pictures of many videos are made one after the other, and what they took is freed", async (context) => {
  const revoked = context.mock.method(URL, "revokeObjectURL").mock;
  serve(() => ACCEPTED);
  const library = new Library();
  const before = made.length;
  new Uploads(library).add(["a.mp4", "b.mp4", "c.mp4"].map((name) => ({ name, size: 5, lastModified: 1 })));

  for (const number of [1, 2, 3]) {
    await settled();
    assert.equal(made.length, before + number);
    Object.assign(made.at(-1), { videoWidth: 640, videoHeight: 360 }).dispatchEvent(new Event("loadeddata"));
  }
  await settled();

  assert.equal(revoked.callCount(), 3);
  assert.deepEqual(library.all.map(({ thumbnail }) => thumbnail), Array(3).fill("data:image/jpeg"));
});

test("an API key with a character that no header can hold is asked for again, and the upload is kept", async (context) => {
  context.mock.method(sessionStorage, "getItem", () => "mien_\u200b");
  const sent = serve(() => ACCEPTED);
  const { library, uploads } = interrupted("video");

  uploads.resume();
  await settled();

  assert.deepEqual(sent, []);
  assert.deepEqual(states(uploads), ["paused"]);
  assert.equal(library.all.length, 1);
});

test("an upload that another tab has sent and this one cancels is not kept again", async (context) => {
  navigator.locks = { request: (name, options, work) => work() };
  context.after(() => delete navigator.locks);
  const { library, uploads } = interrupted("video");
  library.latest = async (key) => ({ key, id: "one" });
  uploads.resume();

  uploads.cancel("video");
  await settled();

  assert.deepEqual(library.all, []);
});

test("an upload whose picture is being made is under way", async () => {
  serve(() => ACCEPTED);
  const uploads = new Uploads(new Library());
  const said = [];
  uploads.addEventListener("change", () => said.push(...states(uploads)));

  uploads.add([{ name: "video.mp4", size: 5, lastModified: 1 }]);
  await settled();

  assert.equal(said.at(-1), "uploading");
  made.at(-1).dispatchEvent(new Event("error"));
});

test("an upload whose signal is aborted already sends nothing", async () => {
  const sent = serve(() => ACCEPTED);

  await assert.rejects(upload({}, { options: {}, signal: AbortSignal.abort() }), { name: "AbortError" });

  assert.deepEqual(sent, []);
});

const REFUSALS = {
  "a missing key": json(401, { title: "An API key is required", detail: "…", code: "key_required" }),
  "a revoked key": json(401, { title: "The API key is not valid", detail: "…", code: "key_refused" }),
  "a key for reading": json(403, { title: "The API key does not allow this", detail: "…", code: "scope_missing" }),
  "a proxy's sign-in": { status: 401, text: "<!doctype html>", retryAfter: null },
  "a login page in place of the answer": LOGIN,
};
for (const [why, refusal] of Object.entries(REFUSALS)) {
  test(`uploads are kept and go on later: ${why}`, async () => {
    let answer = refusal;
    const sent = serve(() => answer);
    const { library, uploads } = interrupted("first", "second");
    const told = [];
    uploads.addEventListener("paused", ({ detail }) => told.push(detail));

    uploads.resume();
    await settled();

    assert.deepEqual(sent, ["first"]);
    assert.deepEqual(states(uploads), ["paused", "waiting"]);
    assert.deepEqual(library.all.map((record) => record.file?.name), ["first", "second"]);
    assert.equal(told.length, 1);
    assert.match(uploadState(uploads.of("first")), /^[^:]+: .*(Enter a key|Reload the page)/);

    answer = ACCEPTED;
    uploads.unpause();
    await settled();

    assert.deepEqual(sent, ["first", "first", "second"]);
    assert.deepEqual(states(uploads), ["sent", "sent"]);
  });
}

test("when a paused upload is cancelled, the next one is tried", async () => {
  let answer = LOGIN;
  serve(() => answer);
  const { uploads } = interrupted("first", "second");
  uploads.resume();
  await settled();

  answer = ACCEPTED;
  uploads.cancel("first");
  await settled();

  assert.deepEqual(states(uploads), ["sent"]);
});

for (const [what, retryAfter] of [
  ["seconds", () => "3600"],
  ["a date", () => new Date(Date.now() + 3600_000).toUTCString()],
]) {
  test(`an upload over a quota waits as long as the service says, in ${what}`, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const full = { title: "The API key has reached its quota", detail: "Try again in 3600 s.", code: "quota_reached" };
    let answer = json(429, full, retryAfter());
    const sent = serve(() => answer);
    const { uploads } = interrupted("video");
    uploads.resume();
    await settled();

    assert.match(
      uploadState(uploads.of("video")),
      /^The API key has reached its quota: Try again in 3600 s\. Next attempt: .*:00.*\. The upload starts again by itself\.$/,
    );
    answer = ACCEPTED;
    window.dispatchEvent(new Event("online"));
    context.mock.timers.tick(3599_000);
    await settled();
    assert.deepEqual(sent, ["video"]);

    context.mock.timers.tick(1000);
    await settled();
    assert.deepEqual(states(uploads), ["sent"]);
  });
}
