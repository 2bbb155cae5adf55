import assert from "node:assert/strict";
import { test } from "node:test";

import { happy, page } from "./page.mjs";

const { atOnce, howMany, joinedNotes, partedNotes, peopleOf, together } = await page("people");

const face = (track, start_s, end_s, trait = 0.5) => ({
  track,
  start_s,
  end_s,
  coverage: (end_s - start_s) / 10,
  personality: { openness: trait },
  timeline: [happy(start_s, 0.9)],
  path: [],
});
const faces = [face(0, 0, 2, 0.2), face(1, 0, 9), face(2, 4, 6, 0.8)];

test("one man who leaves and comes back is appearances, until the viewer joins them", () => {
  const apart = peopleOf(faces);
  assert.equal(howMany(apart), "3 appearances");
  assert.equal(atOnce(faces), 2);
  assert.ok(!together(apart[0], apart[2]) && together(apart[0], apart[1]));

  const notes = joinedNotes({ names: { 2: "Ada" }, joined: {}, markers: [] }, apart[2], apart[0]);
  const [ada, other] = peopleOf(faces, notes);
  assert.equal(howMany([ada, other]), "2 people");
  assert.deepEqual([ada.name, ada.tracks, other.name], ["Ada", [0, 2], "Person 2"]);
  assert.deepEqual(ada.timeline.map((one) => one.start_s), [0, 4]);
  assert.ok(Math.abs(ada.personality.openness - 0.5) < 1e-9 && Math.abs(ada.coverage - 0.4) < 1e-9);

  assert.equal(peopleOf(faces, partedNotes(notes, ada)).length, 3);
});

test("those who are all there at once are people, and one is one", () => {
  assert.equal(howMany(peopleOf(faces.slice(0, 2))), "2 people");
  assert.equal(howMany(peopleOf(faces.slice(0, 1))), "One person");
  assert.equal(howMany([]), "No face was found");
});
