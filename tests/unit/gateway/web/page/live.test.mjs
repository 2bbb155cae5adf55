import assert from "node:assert/strict";
import { test } from "node:test";

import { page } from "./page.mjs";

const { fitted } = await page("live");

test("a picture fits into frames of its own shape, of a turned one, and of another size", () => {
  assert.deepEqual(fitted([1280, 720], [640, 360]), { x: 0, y: 0, width: 640, height: 360 });
  assert.deepEqual(fitted([720, 1280], [640, 360]), { x: 218, y: 0, width: 203, height: 360 });
  assert.deepEqual(fitted([1280, 720], [360, 640]), { x: 0, y: 218, width: 360, height: 203 });
  assert.deepEqual(fitted([320, 240], [640, 480]), { x: 0, y: 0, width: 640, height: 480 });
});
