import assert from "node:assert/strict";
import { test } from "node:test";

import { settled } from "./browser.mjs";
import { page } from "./page.mjs";

const { follow, read } = await page("service");

const { signal } = new AbortController();
const stream = (text) => new Response(text, { headers: { "Content-Type": "text/event-stream" } });
const login = () => new Response("<!doctype html><title>Sign in</title>", { headers: { "Content-Type": "text/html" } });
const ENDED = 'event: ended\ndata: {"state": "succeeded"}\n\n';

/** Answer each request with the next answer. */
function serve(...answers) {
  globalThis.fetch = async () => answers.shift();
}

test("a login page in place of an answer says what to do", async () => {
  serve(login());

  await assert.rejects(read("one"), { code: "sign_in", message: /Reload the page, and sign in/ });
});

test("an API key with a character that no header can hold is refused", async (context) => {
  context.mock.method(sessionStorage, "getItem", () => "mien_\u2026");
  globalThis.fetch = async (_, { headers }) => new Response("{}", { headers: new Headers(headers) });

  await assert.rejects(read("one"), { code: "key_refused", message: /Copy it again/ });
  await assert.rejects(follow("one", signal).next(), { code: "key_refused" });
});

test("a connection that breaks within an answer is reported as one", async () => {
  const broken = new ReadableStream({ start: (controller) => controller.error(new TypeError("network error")) });
  serve(new Response(broken));

  await assert.rejects(read("one"), { code: "no_answer" });
});

test("an error that a proxy describes in its own words has a title and a text", async () => {
  serve(new Response('{"message": "down"}', { status: 404 }));

  await assert.rejects(read("one"), { title: "Something went wrong", message: /status 404/ });
});

test("a login page in place of the events ends them and says what to do", { timeout: 5000 }, async () => {
  serve(login());

  await assert.rejects(follow("one", signal).next(), { code: "sign_in" });
});

for (const [status, headers, wait] of [
  [502, {}, 1000],
  [503, { "Retry-After": "5" }, 5000],
  [429, { "Retry-After": "5" }, 5000],
]) {
  test(`events are lost and requested again after the status ${status}`, { timeout: 5000 }, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    serve(new Response("", { status, headers }), stream(ENDED));
    const events = follow("one", signal);

    assert.deepEqual(await events.next(), { done: false, value: { name: "lost" } });

    let again = false;
    const next = events.next().finally(() => (again = true));
    await settled();
    context.mock.timers.tick(wait - 1);
    await settled();
    assert.equal(again, false);
    context.mock.timers.tick(1);
    assert.equal((await next).value.name, "ended");
  });
}
