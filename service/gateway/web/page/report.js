// A report as one self-contained HTML file. Pure functions.

import { events } from "./events.js";
import { themeOf } from "./palette.js";
import { dimensionsChart, lanesChart, peopleChart, traitsChart } from "./plot.js";
import { dimension, shares } from "./summary.js";
import { labelsOf } from "./timeline.js";
import { capital, clock, escaped, IMPRESSION, percent, signed } from "./words.js";

const WIDTH_PX = 960;

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;color:#1b1d29;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d9dbe6}svg{max-width:100%;height:auto;display:block;margin:.6rem 0}
table{border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #e4e6ef;font-variant-numeric:tabular-nums}
h3{font-size:1rem;margin:1.4rem 0 .4rem}.caveat{background:#fff3d6;color:#5c4300;padding:.7rem 1rem;border-radius:.5rem}
@media print{svg,table,.caveat{break-inside:avoid}h2,h3{break-after:avoid}.caveat{print-color-adjust:exact}}`;

const CAVEAT =
  "A model estimates what a face shows. That is not what a person feels, thinks or is, and the model makes more errors " +
  "for some people than for others. Base no decision about anybody on these scores.";

const rowsOf = (head, rows) =>
  `<table><thead><tr>${head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join("")}</tr></thead><tbody>` +
  `${rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`).join("")}</tbody></table>`;

/** Return the rows of a person's summary: [name, what it is]. */
function summaryRows(person) {
  const rows = [...shares(person.timeline)].map(([label, share]) => [capital(label), `${percent(share)} of the visible time`]);
  for (const name of ["valence", "arousal"]) {
    const found = dimension(person.timeline, name);
    if (!found) continue;
    const { mean, deviation, highest, lowest } = found;
    const peaks = `highest ${signed(highest.value)} at ${clock(highest.at_s)}, lowest ${signed(lowest.value)} at ${clock(lowest.at_s)}`;
    rows.push([capital(name), `${signed(mean)} ± ${deviation.toFixed(2)} (mean ± standard deviation over time), ${peaks}`]);
  }
  return rows;
}

/** Return the charts of a person with their headings: the whole video, without smoothing. */
function charts({ personality, ...person }, frame) {
  const labels = labelsOf(person.timeline);
  const placed = person.timeline.some((window) => window.valence !== undefined);
  return [
    labels.length && `<h3>Probability of each expression</h3>${lanesChart(person, labels, frame)}`,
    placed && `<h3>Valence and arousal</h3>${dimensionsChart(person, frame)}`,
    personality && `<h3>Apparent personality</h3><p class="caveat">${escaped(IMPRESSION)}</p>${traitsChart(personality, frame)}`,
  ]
    .filter(Boolean)
    .join("\n");
}

/** Return the report of an analysis; `about` is a line on video and models. */
export function report({ name, about, analysis, people, markers }) {
  const frame = { span: [0, analysis.video.duration_s], width: WIDTH_PX, theme: themeOf(false), markers };
  const person = (one) => {
    const found = events(one.timeline).map(({ label, onset_s, peak_s, offset_s, peak }) => [
      capital(label),
      ...[onset_s, peak_s, offset_s].map((time) => clock(time)),
      percent(peak),
    ]);
    const listed = found.length ? `<h3>Events</h3>${rowsOf(["Expression", "Onset", "Peak", "Offset", "Peak probability"], found)}` : "";
    return `<section><h2>${escaped(one.name)}</h2>${rowsOf(["What", "Value"], summaryRows(one))}${charts(one, frame)}${listed}</section>`;
  };
  const everybody = people.length > 1 ? `<section><h2>Everybody’s dominant expression</h2>${peopleChart(people, frame)}</section>` : "";
  const marked = markers.map(({ at_s, text }) => [clock(at_s), text]);
  const noted = marked.length ? `<section><h2>Markers and notes</h2>${rowsOf(["Time", "Note"], marked)}</section>` : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escaped(name)}: report</title><style>${STYLE}</style></head>
<body><h1>${escaped(name)}</h1><p>${escaped(about)}</p><p class="caveat">${CAVEAT}</p>
${everybody}
${people.map(person).join("\n")}
${noted}</body></html>
`;
}
