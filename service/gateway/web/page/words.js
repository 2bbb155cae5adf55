// Format numbers, times and scores as text.

// No-break spaces keep a number and its unit on one line.
export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
/** Format a value with its sign; what rounds to nothing has no minus. */
export const signed = (value) => `${Number(value.toFixed(2)) < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** Format seconds as m:ss with some decimals, from one hour on as h:mm:ss: on axes, in tooltips and in lists. */
export function clock(seconds, decimals = 1) {
  const unit = 10 ** decimals;
  const whole = Math.round(Math.max(0, seconds) * unit) / unit;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export const middle = (window) => (window.start_s + window.end_s) / 2;

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export const written = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

/** Return an analysis's name: its file's name, if this browser has kept it. */
export const nameOf = (analysis, record) => record?.name || `Analysis of ${written(analysis.created_at)}`;

/** Return the label of a window as a phrase: "uncertain" where the model is not sure of any. */
export const expressionPhrase = ({ label, scores }) =>
  `${sure(scores, label) ? capital(label) : `Uncertain, perhaps ${label}`} ${percent(scores[label])}`;

/** Below this probability, all other expressions together are likelier than the likeliest one. */
export const SURE = 0.5;
export const sure = (scores, label) => scores[label] >= SURE;

/** Describe the scores of a window as phrases. */
export function phrases(window) {
  const said = window.expression ? [expressionPhrase(window.expression)] : [];
  for (const name of ["valence", "arousal"]) if (window[name] !== undefined) said.push(`${name}\u00a0${signed(window[name])}`);
  return said;
}

/** What is said beside every chart of apparent personality. */
export const IMPRESSION =
  "An impression, not a trait: how strangers might rate this person after this video. Such ratings say more about " +
  "raters’ stereotypes than about the person. Never use them to judge anybody.";

/** Escape a text for XML and HTML. */
export const escaped = (text) =>
  String(text)
    // XML 1.0 has no way to write most control characters.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
    .replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
