import assert from "node:assert/strict";
import { test } from "node:test";

import { happy, page } from "./page.mjs";

const { clock, escaped, phrases, signed } = await page("words");
const { timeTicks } = await page("ticks");

test("times are written alike everywhere, hours and rounding included", () => {
  assert.deepEqual([0, 59.96, 61.24, 3599.99, 3661.5].map((time) => clock(time)), ["0:00.0", "1:00.0", "1:01.2", "1:00:00.0", "1:01:01.5"]);
  assert.deepEqual([59.6, 320, 7325].map((time) => clock(time, 0)), ["1:00", "5:20", "2:02:05"]);
});

test("what rounds to nothing has no minus", () => {
  assert.deepEqual([-0.004, -0.006, 0, 0.5, -1].map(signed), ["+0.00", "−0.01", "+0.00", "+0.50", "−1.00"]);
});

test("the axis ends at the video's end and says so", () => {
  const ticks = timeTicks([0, 320], 600);
  assert.deepEqual(ticks.at(-1), { at: 320, label: "5:20" });
  assert.ok(ticks.every(({ label }) => /^\d+:\d\d$/.test(label)));
});

test("labels never collide, at any length, width and zoom", () => {
  for (const length of [0.7, 3, 12.3, 59.9, 61, 320, 1234.5, 4000, 20_000]) {
    for (const width of [120, 250, 700, 1500]) {
      for (const span of [[0, length], [length / 3, length / 2]]) {
        const ticks = timeTicks(span, width);
        const x = ({ at }) => ((at - span[0]) / (span[1] - span[0])) * width;
        for (let number = 1; number < ticks.length; number += 1) {
          const wide = 3.6 * (ticks[number].label.length + ticks[number - 1].label.length); // half of each, 7.2 px a sign
          assert.ok(x(ticks[number]) - x(ticks[number - 1]) >= wide, `${span} ${width}: ${ticks.map((tick) => tick.label)}`);
        }
        assert.equal(ticks.at(-1).at, span[1]);
        assert.equal(new Set(ticks.map((tick) => tick.label)).size, ticks.length, `${span} ${width}`);
      }
    }
  }
});

test("a window without a likely expression is called uncertain", () => {
  const scores = { happiness: 0.4, fear: 0.35, neutral: 0.25 };
  assert.match(phrases({ expression: { label: "happiness", scores } })[0], /^Uncertain, perhaps happiness 40/);
  assert.match(phrases(happy(0, 0.9, { valence: -0.5 })).join(), /^Happiness 90.*valence.−0.50/);
});

test("what XML cannot hold is left out, and the rest escaped", () => {
  assert.equal(escaped('a<b>&"\u0000\u001b'), "a&lt;b&gt;&amp;&quot;");
});
