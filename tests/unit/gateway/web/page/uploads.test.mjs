import assert from "node:assert/strict";
import { test } from "node:test";

import { page } from "./page.mjs";

const { Uploads } = await page("uploads");

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
