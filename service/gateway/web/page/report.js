// A report as one self-contained HTML file. Pure functions.

import { events } from "./events.js";
import { dimension, shares } from "./summary.js";
import { capital, clock, escaped, percent, signed } from "./words.js";

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;color:#1b1d29;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d9dbe6}svg{max-width:100%;height:auto;display:block;margin:.6rem 0}
table{border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #e4e6ef;font-variant-numeric:tabular-nums}
.caveat{background:#fff3d6;color:#5c4300;padding:.7rem 1rem;border-radius:.5rem}@media print{section{break-inside:avoid}}`;

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

/** Return the report. `charts` are { title, svg }, those of all people first; `about` is a line about the video and the models. */
export function report({ name, about, people, markers, charts }) {
  const person = (one) => {
    const found = events(one.timeline).map(({ label, onset_s, peak_s, offset_s, peak }) => [
      capital(label),
      ...[onset_s, peak_s, offset_s].map((time) => clock(time)),
      percent(peak),
    ]);
    const listed = found.length ? `<h3>Events</h3>${rowsOf(["Expression", "Onset", "Peak", "Offset", "Peak probability"], found)}` : "";
    return `<section><h2>${escaped(one.name)}</h2>${rowsOf(["What", "Value"], summaryRows(one))}${listed}</section>`;
  };
  const drawn = charts.map(({ title, svg }) => `<section><h2>${escaped(title)}</h2>${svg}</section>`);
  const marked = markers.map(({ at_s, text }) => [clock(at_s), text]);
  const noted = marked.length ? `<section><h2>Markers and notes</h2>${rowsOf(["Time", "Note"], marked)}</section>` : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escaped(name)}: report</title><style>${STYLE}</style></head>
<body><h1>${escaped(name)}</h1><p>${escaped(about)}</p><p class="caveat">${CAVEAT}</p>
${drawn.join("\n")}
${people.map(person).join("\n")}
${noted}</body></html>
`;
}
