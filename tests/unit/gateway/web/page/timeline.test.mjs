import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { happy, page } from "./page.mjs";

const { AWAY_S, boxAt, cells, lines, smoothed, thinned } = await page("timeline");
const { dimension, group, meanWithInterval, runs, shares } = await page("summary");
const { events } = await page("events");
const { TimeView } = await page("timeview");

const near = (one, other) => assert.ok(Math.abs(one - other) < 1e-9, `${one} is not ${other}`);

test("a line has a gap where a face was away", () => {
  const windows = [0, 0.5, 4].map((start_s) => ({ start_s, end_s: start_s + 1, valence: start_s / 10 }));
  assert.deepEqual(lines(windows, (one) => one.valence), [
    [[0, 0], [0.5, 0], [1, 0.05], [1.5, 0.05]],
    [[4, 0.4], [4.5, 0.4], [5, 0.4]],
  ]);
});

test("an hour is drawn in few points that mean the same", () => {
  const windows = [...Array(1500).keys(), ...Array.from({ length: 748 }, (_, k) => 2252 + k)].map((at) => ({
    start_s: at,
    end_s: at + 1,
    valence: at % 2,
    expression: { label: "fear", scores: { fear: at % 2 } },
  }));
  const few = thinned(windows, 750);
  assert.equal(few.length, 562);
  for (const one of few) {
    assert.equal(one.valence, 0.5);
    assert.equal(one.expression.scores.fear, 0.5);
    assert.equal(one.end_s - one.start_s, 4); // none over the gap
  }
});

test("many windows far from each other are few points too", () => {
  const few = thinned(Array.from({ length: 3600 }, (_, k) => ({ start_s: 2 * k, end_s: 2 * k + 1, valence: 0.5 })), 800);
  assert.equal(few.length, 800);
  few.slice(1).forEach((next, number) => assert.equal(few[number].end_s, next.start_s)); // no gap can be seen
});

test("models that score windows of their own are drawn together without gaps", () => {
  const windows = Array.from({ length: 1000 }, (_, k) =>
    k % 2 ? happy(k, 0.8, {}, 3) : { start_s: k, end_s: k + 4, valence: 0.5, arousal: -0.5 },
  );
  for (const timeline of [windows.slice(0, 10), thinned(windows, 300), smoothed(windows, 5)]) {
    const [happiness, ...more] = lines(timeline, (one) => one.expression?.scores.happiness);
    assert.equal(more.length, 0);
    happiness.forEach(([, value]) => near(value, 0.8));
    assert.equal(lines(timeline, (one) => one.valence).length, 1);
  }
});

test("smoothing averages over the time asked for, never across a gap, and 0 s is the raw timeline", () => {
  const windows = [happy(0, 0), happy(1, 1), happy(2, 0), happy(9, 1)];
  assert.equal(smoothed(windows, 0), windows);
  const scores = smoothed(windows, 2).map((one) => one.expression.scores.happiness);
  [0.5, 1 / 3, 0.5, 1].forEach((value, number) => near(scores[number], value));
  assert.equal(smoothed(windows, 2)[1].expression.label, "neutral");
  assert.equal(smoothed(windows, 60)[3].expression.label, "happiness");
});

test("overlapping windows share the time among them, and gaps are nobody's", () => {
  const parts = cells([0, 0.5, 4].map((start_s) => ({ start_s, end_s: start_s + 1 })));
  assert.deepEqual(parts.map(({ start_s, end_s }) => [start_s, end_s]), [[0, 0.75], [0.75, 1.5], [4, 5]]);
});

test("shares are of time, not means of probabilities", () => {
  const timeline = [happy(0, 0.6), happy(1, 0.6), happy(2, 0.6), happy(3, 0.1)];
  assert.deepEqual([...shares(timeline)], [["happiness", 0.75], ["neutral", 0.25]]);
  const unsure = { start_s: 4, end_s: 5, expression: { label: "fear", scores: { fear: 0.4, neutral: 0.3, anger: 0.3 } } };
  near(shares([...timeline, unsure]).get("uncertain"), 0.2);
  assert.deepEqual(runs(timeline).map(({ label, start_s, end_s }) => [label, start_s, end_s]), [["happiness", 0, 3], ["neutral", 3, 4]]);
});

test("a dimension has a mean and a deviation over time, and peaks", () => {
  const found = dimension([{ start_s: 0, end_s: 3, valence: 1 }, { start_s: 3.5, end_s: 4.5, valence: -1 }], "valence");
  near(found.mean, 0.5);
  near(found.deviation, Math.sqrt(0.75));
  assert.deepEqual([found.highest, found.lowest], [{ value: 1, at_s: 1.5 }, { value: -1, at_s: 4 }]);
  assert.equal(dimension([happy(0, 1)], "valence"), null);
});

test("the interval of a mean is Student's", () => {
  // R: t.test(c(1, 2, 4))$conf.int is -1.4612 to 6.1279.
  const { mean, half } = meanWithInterval([1, 2, 4]);
  assert.ok(Math.abs(mean - half + 1.4612) < 0.002 && Math.abs(mean + half - 6.1279) < 0.002);
  assert.ok(Number.isNaN(meanWithInterval([1]).half));
  // R: qt(.975, 40) is 2.0211.
  const many = meanWithInterval(Array.from({ length: 41 }, (_, k) => k));
  assert.ok(Math.abs(many.half / (Math.sqrt(143.5) / Math.sqrt(41)) - 2.0211) < 0.002);
});

test("a group counts who never showed an expression as 0", () => {
  const rows = group([[happy(0, 0.9, { valence: 0.5 })], [happy(0, 0.1, { valence: 0 })]]);
  assert.deepEqual(rows.map(({ name, mean, count }) => [name, mean, count]), [["happiness", 0.5, 2], ["neutral", 0.5, 2], ["valence", 0.25, 2]]);
});

test("events have an onset, a peak and an offset; one that wavers is one, and a gap ends it", () => {
  const of = (values, from = 0) => values.map((value, number) => happy(from + number, value));
  assert.deepEqual(events([...of([0.1, 0.6, 0.45, 0.9, 0.4, 0.2]), ...of([0.7], 10)]), [
    { label: "happiness", onset_s: 1.5, peak_s: 3.5, offset_s: 4.5, peak: 0.9 },
    { label: "happiness", onset_s: 10.5, peak_s: 10.5, offset_s: 10.5, peak: 0.7 },
  ]);
  assert.deepEqual(events(of([0, 0.1])), []); // neutral is no event
});

test("zooming stays within the video", () => {
  const view = new TimeView(10);
  view.zoom(9.9, 9.8);
  assert.deepEqual(view.span, [9, 10]); // a second at least
  view.shift(5);
  assert.deepEqual(view.span, [9, 10]);
  view.scale(4);
  assert.deepEqual(view.span, [6, 10]);
  view.whole();
  assert.deepEqual([view.span, view.zoomed], [[0, 10], false]);
});

test("a box is interpolated, and there is none while the face is not visible", () => {
  const path = [[0, 0, 0, 10, 10], [1, 10, 0, 10, 10], [3, 90, 0, 10, 10]];
  for (const [time, left] of [[-0.05, 0], [0, 0], [0.5, 5], [1, 10], [2, null], [3, 90], [3.05, 90], [3.2, null]]) {
    assert.equal(boxAt(path, time)?.[0] ?? null, left, `at ${time} s`);
  }
});

test("the page and the contract agree on how long a gap means that the face was not visible", async () => {
  const contract = await readFile(new URL("../../../../../mien/contract/timeline.py", import.meta.url), "utf8");
  assert.equal(AWAY_S, Number(contract.match(/^AWAY_S = ([\d.]+)$/m)[1]));
});
