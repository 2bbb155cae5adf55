import assert from "node:assert/strict";
import { test } from "node:test";

import { happy, page } from "./page.mjs";

const { boris, csvRows, csvWithNames, eaf, fileName, vtt } = await page("exports");
const { lanesChart, peopleChart } = await page("plot");
const { themeOf } = await page("palette");
const { report } = await page("report");
const { parquetOf } = await page("parquet");
const { codecOf } = await page("codec");

const nasty = `O'Hara <b> & "Söhne"`;
const person = { name: nasty, tracks: [0], track: 0, faces: [], timeline: [happy(0, 0.9), happy(1, 0.1)] };
const shown = {
  name: "a b.take 2.MP4",
  analysis: { id: "01M", created_at: "2026-01-02T03:04:05.000000Z", video: { duration_s: 2 } },
  people: [person, { ...person, tracks: [1], track: 1 }],
  markers: [{ at_s: 0.5, text: "a\nb --> c" }],
};

test("files are named after the video", () => {
  assert.equal(fileName(shown, "csv"), "a b.take 2.csv");
  assert.equal(fileName({ ...shown, name: "../x:y.mov" }, "svg", "expression"), ".._x_y expression.svg");
  assert.equal(fileName({ ...shown, name: "" }, "csv"), "01M.csv");
});

test("ELAN finds a video whose name has signs with a meaning in addresses", () => {
  const written = eaf({ ...shown, name: "3rd #1? 100%.mp4" });
  assert.ok(written.includes('RELATIVE_MEDIA_URL="./3rd%20%231%3F%20100%25.mp4"'));
});

test("a table becomes Parquet whose columns have types, and whose empty cells are null", () => {
  const bytes = new Uint8Array(parquetOf([["track", "valence", "name"], ["0", "-0.5", nasty], ["1", "", ""]]));
  const text = (part) => new TextDecoder().decode(part);
  assert.deepEqual([text(bytes.slice(0, 4)), text(bytes.slice(-4))], ["PAR1", "PAR1"]);
});

test("the CSV gets the names, whatever is in its cells", () => {
  const csv = 'file,track,x\n"a, ""b""\nc",0,1\nplain,7,2\n';
  const rows = csvRows(csvWithNames(csv, shown.people));
  assert.deepEqual(rows, [["file", "track", "x", "name"], ['a, "b"\nc', "0", "1", nasty], ["plain", "7", "2", ""]]);
});

test("captions are ordered cues without a line that breaks them", () => {
  const cues = vtt(shown).split("\n\n");
  assert.equal(cues[0], "WEBVTT");
  assert.equal(cues[1], "00:00:00.000 --> 00:00:01.000\n<v O'Hara &lt;b&gt; &amp; &quot;Söhne&quot;>happiness 90 %");
  assert.ok(cues.some((cue) => cue.startsWith("00:00:00.500 --> 00:00:02.000\n<v Note>a b --&gt; c")));
});

test("tiers of ELAN are unique, ordered and without overlap", () => {
  const text = eaf(shown);
  const tiers = [...text.matchAll(/TIER_ID="([^"]*)"/g)].map(([, id]) => id);
  assert.equal(new Set(tiers).size, tiers.length);
  assert.equal(tiers.length, 5); // expression and happiness of each, markers
  assert.ok(!text.includes("<b>"));
});

test("the table of BORIS has a START and a STOP of each event and a POINT of each marker", () => {
  const [head, ...rows] = boris(shown).trimEnd().split("\n").map((line) => line.split("\t"));
  assert.ok(rows.every((row) => row.length === head.length));
  assert.deepEqual(rows.map((row) => row[head.indexOf("Behavior type")]).sort(), ["POINT", "START", "START", "STOP", "STOP"]);
});

test("charts and reports are well-formed whatever people are called", () => {
  const frame = { span: [0, 2], width: 600, theme: themeOf(false), markers: shown.markers };
  const chart = peopleChart(shown.people, frame) + lanesChart(person, ["happiness", "neutral"], frame);
  assert.ok(!chart.includes("<b>") && !chart.includes("NaN") && !chart.includes("undefined"));
  const clips = [...chart.matchAll(/id="([^"]*)"/g)].map(([, id]) => id);
  assert.equal(new Set(clips).size, clips.length);
  const html = report({ ...shown, about: "2 s" });
  assert.ok(html.includes("Söhne") && !html.includes("<b>") && !/(src|href)="(?!data:)/.test(html));
});

test("a report draws every person, and says beside traits what they are not", () => {
  const traits = { openness: 0.5 };
  const people = [person, { ...person, name: "Bo", personality: traits }, { ...person, name: "Cy", personality: traits }];
  const html = report({ ...shown, people, about: "2 s" });
  const count = (text) => html.split(text).length - 1;
  assert.deepEqual([count("one lane each"), count("Never use them to judge anybody")], [3, 2]);
  assert.equal(count("The dominant expression of"), 1);
  assert.equal(report({ ...shown, people: [person], about: "2 s" }).includes("The dominant expression of"), false);
});

test("the strips of everybody have a legend of what occurs, in as many rows as it needs", () => {
  const frame = { span: [0, 2], width: 600, theme: themeOf(false), markers: [] };
  const wide = peopleChart(shown.people, frame);
  assert.ok(wide.includes(">Happiness<") && wide.includes(">Neutral<") && !wide.includes(">Anger<"));
  const height = (chart) => Number(chart.match(/height="([\d.]+)"/)[1]);
  assert.ok(height(peopleChart(shown.people, { ...frame, width: 200 })) > height(wide));
});

test("HEVC is recognised at either end of the file, and only in its containers", async () => {
  const filler = "x".repeat(3 << 20);
  assert.equal(await codecOf(new Blob(["....ftypqt  ", filler, "moov....hvc1"])), "HEVC");
  assert.equal(await codecOf(new Blob(["....ftypisom", "moov....hev1", filler])), "HEVC");
  assert.equal(await codecOf(new Blob(["....ftypisom", "moov....avc1", filler])), "");
  assert.equal(await codecOf(new Blob(["words about hvc1"])), "");
});
