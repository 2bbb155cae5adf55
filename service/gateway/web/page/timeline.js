// Timelines: lists of windows, ordered by time, that may overlap and may have gaps. Pure functions.

import { inOrder } from "./palette.js";
import { mean, middle } from "./words.js";

/** Return the labels of a timeline's expressions in the order of charts. */
export const labelsOf = (timeline) =>
  inOrder(Object.keys(timeline.find((window) => window.expression)?.expression.scores ?? {}));

/** Return the index of the first `late` item of a list in which all later items are `late` too, or its length. */
export function firstLate(list, late) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const half = (low + high) >> 1;
    if (late(list[half])) high = half;
    else low = half + 1;
  }
  return low;
}

/** Return the window of a timeline that contains a time and whose middle is nearest to it. */
export function windowAt(timeline, time) {
  let best = null;
  for (let at = firstLate(timeline, (one) => one.start_s > time) - 1; timeline[at]?.end_s >= time; at -= 1) {
    if (!best || Math.abs(middle(timeline[at]) - time) < Math.abs(middle(best) - time)) best = timeline[at];
  }
  return best;
}

/** Return the windows of a timeline that overlap a span. */
export const within = (timeline, [from, to]) => timeline.filter((one) => one.end_s > from && one.start_s < to);

/**
 * Divide the time of a timeline among its windows: each gets the time that is nearest to its middle.
 *
 * Windows overlap; their cells do not, so that shares of time can be counted. Gaps belong to no window.
 */
export function cells(timeline, has = () => true) {
  const valued = timeline.filter(has);
  return valued.map((window, number) => {
    const [before, after] = [valued[number - 1], valued[number + 1]];
    const joined = (one, other) => one && other && other.start_s <= one.end_s;
    return {
      window,
      start_s: joined(before, window) ? (middle(before) + middle(window)) / 2 : window.start_s,
      end_s: joined(window, after) ? (middle(window) + middle(after)) / 2 : window.end_s,
    };
  });
}

/** Return a timeline of `most` windows at most: those that begin in one of as many stretches of time are averaged. */
export function thinned(timeline, most) {
  if (timeline.length <= most) return timeline;
  const begin = timeline[0].start_s;
  const length = timeline.at(-1).end_s - begin;
  const parts = [];
  for (const window of timeline) {
    const number = Math.floor((most * (window.start_s - begin)) / length);
    (parts[number] ??= []).push(window);
  }
  const means = Object.values(parts).map(averaged);
  means.slice(1).forEach((next, number) => {
    const one = means[number];
    // Drawn, shorter gaps would be narrower than a pixel: together they only make the colours pale.
    if (next.start_s - one.end_s < length / most) one.end_s = Math.max(one.end_s, next.start_s);
  });
  return means;
}

/**
 * Average each score over the windows whose middles are at most `seconds` / 2 away, never across a gap.
 *
 * The label is the likeliest expression after averaging. With 0 s the timeline is returned as it is.
 */
export function smoothed(timeline, seconds) {
  if (!seconds) return timeline;
  return stretches(timeline).flatMap((stretch) => {
    let [from, to] = [0, 0];
    return stretch.map((window) => {
      while (middle(stretch[from]) < middle(window) - seconds / 2) from += 1;
      while (to < stretch.length && middle(stretch[to]) <= middle(window) + seconds / 2) to += 1;
      const one = averaged(stretch.slice(from, to));
      // Only scores that the window itself has: each model has its own windows.
      if (!window.expression) delete one.expression;
      for (const name of ["valence", "arousal"]) if (window[name] === undefined) delete one[name];
      return { ...window, ...one, start_s: window.start_s, end_s: window.end_s };
    });
  });
}

/** Divide a timeline at its gaps. */
export function stretches(timeline) {
  const found = [];
  let end = -Infinity;
  for (const window of timeline) {
    if (window.start_s > end) found.push([]);
    found.at(-1).push(window);
    end = Math.max(end, window.end_s);
  }
  return found;
}

// Each score is the mean over the windows that have it: each model has its own windows.
function averaged(windows) {
  const one = { start_s: windows[0].start_s, end_s: Math.max(...windows.map((window) => window.end_s)) };
  for (const name of ["valence", "arousal"]) {
    const values = windows.map((window) => window[name]).filter((value) => value !== undefined);
    if (values.length) one[name] = mean(values);
  }
  const scores = windows.flatMap((window) => window.expression?.scores ?? []);
  if (scores.length) {
    const means = Object.keys(scores[0]).map((label) => [label, mean(scores.map((of) => of[label]))]);
    const [label] = means.reduce((most, next) => (next[1] > most[1] ? next : most));
    one.expression = { label, scores: Object.fromEntries(means) };
  }
  return one;
}

/** Return the points of a timeline's stretches: at the windows' middles, from the first's start to the last's end. */
export function lines(timeline, valueOf) {
  return stretches(timeline.filter((window) => valueOf(window) !== undefined)).map((stretch) => [
    [stretch[0].start_s, valueOf(stretch[0])],
    ...stretch.map((window) => [middle(window), valueOf(window)]),
    [stretch.at(-1).end_s, valueOf(stretch.at(-1))],
  ]);
}

/** Seconds between two points of a path from which on the face was not visible in between; as in `mien.contract.timeline`. */
export const AWAY_S = 1;

/** Interpolate a face's box [x, y, width, height] at a time; null while the face is not visible. */
export function boxAt(path, time) {
  if (!path.length || time < path[0][0] - 0.1 || time > path.at(-1)[0] + 0.1) return null;
  const after = Math.min(firstLate(path, ([at]) => at >= time), path.length - 1);
  const [one, other] = [path[Math.max(0, after - 1)], path[after]];
  if (time >= other[0]) return other.slice(1);
  if (other[0] - one[0] > AWAY_S) return null;
  const share = other[0] > one[0] ? Math.min(1, Math.max(0, (time - one[0]) / (other[0] - one[0]))) : 0;
  return [1, 2, 3, 4].map((place) => one[place] + share * (other[place] - one[place]));
}
