// What a whole timeline shows: shares of time, means, deviations, peaks; and means over several people. Pure functions.

import { cells } from "./timeline.js";
import { middle, sure } from "./words.js";

export const UNCERTAIN = "uncertain";

/** Return the label of a window, or "uncertain" where no expression is likelier than all others together. */
export const dominant = ({ expression: { label, scores } }) => (sure(scores, label) ? label : UNCERTAIN);

/** Return the stretches of time with one dominant label: { label, start_s, end_s, probability (its mean) }. */
export function runs(timeline) {
  const found = [];
  for (const { window, start_s, end_s } of cells(timeline, (one) => one.expression)) {
    const label = dominant(window);
    const probability = window.expression.scores[window.expression.label];
    const last = found.at(-1);
    if (last && last.label === label && start_s <= last.end_s) {
      last.weighted += probability * (end_s - start_s);
      last.end_s = end_s;
    } else found.push({ label, start_s, end_s, weighted: probability * (end_s - start_s) });
  }
  return found.map(({ label, start_s, end_s, weighted }) => ({ label, start_s, end_s, probability: weighted / (end_s - start_s) }));
}

/** Return the share of the visible time for which each label is dominant: Map of label → share, in falling order. */
export function shares(timeline) {
  const seconds = new Map();
  let all = 0;
  for (const { label, start_s, end_s } of runs(timeline)) {
    seconds.set(label, (seconds.get(label) ?? 0) + end_s - start_s);
    all += end_s - start_s;
  }
  return new Map([...seconds].map(([label, time]) => [label, time / all]).sort(([, one], [, other]) => other - one));
}

/** Return the mean, standard deviation (both over time), highest and lowest value of a dimension; null without one. */
export function dimension(timeline, name) {
  const parts = cells(timeline, (one) => one[name] !== undefined);
  if (!parts.length) return null;
  const over = (valueOf) => parts.reduce((sum, part) => sum + valueOf(part.window[name]) * (part.end_s - part.start_s), 0);
  const time = over(() => 1);
  const mean = over((value) => value) / time;
  const peak = (better) => {
    const { window } = parts.reduce((best, part) => (better(part.window[name], best.window[name]) ? part : best));
    return { value: window[name], at_s: middle(window) };
  };
  return {
    mean,
    deviation: Math.sqrt(over((value) => (value - mean) ** 2) / time),
    highest: peak((one, other) => one > other),
    lowest: peak((one, other) => one < other),
  };
}

// The 97.5 % quantiles of Student's t-distribution for 1 to 30 degrees of freedom; then that of the normal distribution
// with the first term of its expansion.
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const quantile = (freedom) => T[freedom - 1] ?? 1.96 + (1.96 ** 3 + 1.96) / (4 * freedom);

/** Return the mean of independent values and the half width of its 95 % confidence interval (NaN for one value). */
export function meanWithInterval(values) {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { count, mean, half: count > 1 ? quantile(count - 1) * Math.sqrt(variance / count) : NaN };
}

/** Return the means over people of what their timelines show: rows of { name, kind, count, mean, half }. */
export function group(timelines) {
  const counted = timelines.map((timeline) => shares(timeline)).filter((share) => share.size);
  const labels = [...new Set(counted.flatMap((share) => [...share.keys()]))];
  const rows = labels
    .map((name) => ({ name, kind: "share", ...meanWithInterval(counted.map((share) => share.get(name) ?? 0)) }))
    .sort((one, other) => other.mean - one.mean);
  for (const name of ["valence", "arousal"]) {
    const values = timelines.map((timeline) => dimension(timeline, name)?.mean).filter((value) => value !== undefined);
    if (values.length) rows.push({ name, kind: "dimension", ...meanWithInterval(values) });
  }
  return rows;
}
