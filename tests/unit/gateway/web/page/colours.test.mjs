// Colours are told apart with deuteranopia and protanopia, by simulation.
//
// Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG
// 15(6), 2009: the matrices of severity 1.0, for linear RGB. Distances are Euclidean in Oklab (Ottosson 2020), where 0.02
// is about what can just be seen side by side.

import assert from "node:assert/strict";
import { test } from "node:test";

import { page } from "./page.mjs";

const { COLOURS } = await page("palette");

const VISION = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
};
const APART = 0.1; // five times what can just be seen
const ON_CARD = 2; // contrast with the ground; labels in words stand beside every colour

const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, value, at) => sum + value * vector[at], 0));
const clipped = (vector) => vector.map((value) => Math.min(1, Math.max(0, value)));
const linear = (hex) =>
  [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
const oklab = (rgb) => {
  const lms = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]];
  const lab = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]];
  return times(lab, times(lms, rgb).map(Math.cbrt));
};
const seen = (hex, vision) => oklab(clipped(times(VISION[vision], linear(hex))));
const distance = (one, other) => Math.hypot(...one.map((value, at) => value - other[at]));
const luminance = (hex) => times([[0.2126, 0.7152, 0.0722]], linear(hex))[0];

for (const [theme, { expressions, dimensions, rest }] of Object.entries(COLOURS)) {
  for (const vision of Object.keys(VISION)) {
    test(`${theme}, ${vision}: all colours are told apart`, () => {
      for (const colours of [expressions, dimensions]) {
        const names = Object.keys(colours);
        for (const [number, one] of names.entries()) {
          for (const other of names.slice(number + 1)) {
            const apart = distance(seen(colours[one], vision), seen(colours[other], vision));
            assert.ok(apart >= APART, `${one} and ${other}: ${apart.toFixed(3)}`);
          }
        }
      }
    });
  }
  test(`${theme}: all colours stand out from the ground`, () => {
    for (const [name, colour] of Object.entries({ ...expressions, ...dimensions })) {
      const [low, high] = [luminance(colour), luminance(rest.card)].sort((one, other) => one - other);
      assert.ok((high + 0.05) / (low + 0.05) >= ON_CARD, name);
    }
  });
}

test("the simulation finds those that are confused", () => {
  // Expressions' colours before: anger and disgust looked alike.
  assert.ok(distance(seen("#c0392b", "deuteranopia"), seen("#4d8b3a", "deuteranopia")) < APART);
});
