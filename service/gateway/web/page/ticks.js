// Ticks of a time axis. Pure functions.

import { clock } from "./words.js";

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const LABEL_PX = 48; // the widest label, with room beside it

/** Return the ticks { at, label } of an axis over a span that is `width` pixels wide; the last one is its end. */
export function timeTicks([from, to], width) {
  const most = Math.max(1, Math.floor(width / LABEL_PX));
  const least = (to - from) / most;
  const step = STEPS_S.find((seconds) => seconds >= least) ?? 3600 * Math.ceil(least / 3600);
  const decimals = step < 1 ? 1 : 0;
  const ticks = [];
  for (let number = Math.ceil(from / step - 1e-6); number * step <= to + 1e-6; number += 1) ticks.push(number * step);
  // The video's end has a label of its own, and labels do not collide with it.
  const room = (LABEL_PX * (to - from)) / width;
  const before = ticks.filter((at) => to - at >= room);
  const end = Math.abs(to - Math.round(to)) < 0.05 || decimals ? decimals : 1;
  return [...before.map((at) => ({ at, label: clock(at, decimals) })), { at: to, label: clock(to, end) }];
}
