// Events: stretches in which an expression is likely, with onset, peak and offset. Pure functions.

import { stretches } from "./timeline.js";
import { middle, SURE } from "./words.js";

// Two thresholds (hysteresis), so that a probability that fluctuates around one of them is one event, not many.
const ONSET = SURE;
const OFFSET = 0.35;

/**
 * Return the events of a timeline in order of their onsets: { label, onset_s, peak_s, offset_s, peak }.
 *
 * An event begins where the probability rises to `ONSET` and ends where it falls below `OFFSET`, or where the face
 * leaves. Neutral is no event.
 */
export function events(timeline) {
  const found = [];
  for (const stretch of stretches(timeline.filter((window) => window.expression))) {
    for (const label of Object.keys(stretch[0].expression.scores)) {
      if (label !== "neutral") found.push(...eventsOf(label, stretch));
    }
  }
  return found.sort((one, other) => one.onset_s - other.onset_s || one.label.localeCompare(other.label));
}

function eventsOf(label, stretch) {
  const found = [];
  let event = null;
  for (const window of stretch) {
    const probability = window.expression.scores[label];
    if (event && probability < OFFSET) event = null;
    if (!event && probability >= ONSET) found.push((event = { label, onset_s: middle(window), peak_s: 0, offset_s: 0, peak: 0 }));
    if (!event) continue;
    event.offset_s = middle(window);
    if (probability > event.peak) Object.assign(event, { peak: probability, peak_s: middle(window) });
  }
  return found;
}
