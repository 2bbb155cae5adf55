// Format numbers, times and scores as text.

// No-break spaces keep a number and its unit on one line.
export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

export function clock(seconds) {
  const whole = Math.max(0, seconds);
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${(whole - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}

export const person = (face) => `Person ${face.track + 1}`;
export const middle = (window) => (window.start_s + window.end_s) / 2;

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Describe the scores of a window as phrases. */
export function phrases(window) {
  const said = [];
  if (window.expression) {
    const { label, scores } = window.expression;
    said.push(`${capital(label)} ${percent(scores[label])}`);
  }
  for (const name of ["valence", "arousal"]) if (window[name] !== undefined) said.push(`${name}\u00a0${signed(window[name])}`);
  return said;
}

/** Create an element with a text and a class. */
export function element(kind, text = "", name = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

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
