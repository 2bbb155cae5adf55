import assert from "node:assert/strict";
import { test } from "node:test";

import { page } from "./page.mjs";

const { StatusLine } = await page("statusline");

test("each text is shown; only a new stage, or a text 15 s after the last, is spoken", (context) => {
  let now = 20_000;
  context.mock.method(performance, "now", () => now);
  const spoken = [];
  const region = {
    set textContent(text) {
      spoken.push(text);
    },
    get textContent() {
      return spoken.at(-1) ?? "";
    },
  };
  const shown = { textContent: "" };
  const line = new StatusLine(shown, region);

  for (let share = 0; share < 100; share += 1) {
    line.say("uploading", `Uploading: ${share} %`);
    assert.equal(shown.textContent, `Uploading: ${share} %`);
    now += 250;
  }
  line.say("queued", "Waiting");
  now += 20_000;
  line.say("queued", "Waiting"); // a region that is set to its own text would be read again

  assert.deepEqual(spoken, ["Uploading: 0 %", "Uploading: 60 %", "Waiting"]);
});
