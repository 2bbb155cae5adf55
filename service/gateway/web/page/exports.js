// Exports: CSV, WebVTT, ELAN (EAF) and BORIS tables, with the viewer's names and markers. Pure functions.
//
// `shown` is { name: the video's file name or "", analysis, people, markers: [{ at_s, text }] }.

import { events } from "./events.js";
import { runs } from "./summary.js";
import { escaped } from "./words.js";

// A plain space, not the no-break space of the page: programs read these files.
const share = (value) => `${Math.round(100 * value)} %`;

/** Return a file name after the video's: `clip.mp4` gives `clip.csv`, or `clip expression.svg` for a part. */
export function fileName({ name, analysis }, kind, part = "") {
  const stem = (name || "").replace(/\.[^.]{1,5}$/, "").replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_") || analysis.id;
  return `${stem}${part && ` ${part}`}.${kind}`;
}

/** Return what the viewer and the page add to an analysis: names, markers, and the events of each person. */
export const additions = ({ name, people, markers }) => ({
  file: name,
  people: people.map((person) => ({ name: person.name, tracks: person.tracks, events: events(person.timeline) })),
  markers,
});

/** Return the service's CSV with a column for the names of people. */
export function csvWithNames(csv, people) {
  const nameOf = new Map(people.flatMap((person) => person.tracks.map((track) => [String(track), person.name])));
  const [head, ...rows] = csvRows(csv);
  const track = head.indexOf("track");
  const named = [[...head, "name"], ...rows.map((row) => [...row, nameOf.get(row[track]) ?? ""])];
  return named.map((row) => `${row.map(csvCell).join(",")}\n`).join("");
}

/** Return a table as CSV. */
export const csvOf = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\n`).join("");

const csvCell = (value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));

/** Parse CSV (RFC 4180). */
export function csvRows(text) {
  const rows = [];
  let [row, cell, quoted] = [[], "", false];
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === ",") {
      row.push(cell);
      cell = "";
    } else if (sign === "\n") {
      rows.push([...row, cell]);
      [row, cell] = [[], ""];
    } else if (sign !== "\r") cell += sign;
  }
  if (cell || row.length) rows.push([...row, cell]);
  return rows;
}

/** Return WebVTT: the dominant expression of each person as captions, and the markers. */
export function vtt({ people, markers, analysis }) {
  const cues = [
    ...people.flatMap((person) =>
      runs(person.timeline).map((run) => ({ ...run, text: `<v ${vttText(person.name)}>${run.label} ${share(run.probability)}` })),
    ),
    ...markers.map(({ at_s, text }) => ({
      start_s: at_s,
      end_s: Math.max(at_s + 0.1, Math.min(at_s + 2, analysis.video.duration_s)),
      text: `<v Note>${vttText(text) || "Marker"}`,
    })),
  ].sort((one, other) => one.start_s - other.start_s);
  const written = cues
    .filter((cue) => vttTime(cue.start_s) < vttTime(cue.end_s))
    .map((cue) => `${vttTime(cue.start_s)} --> ${vttTime(cue.end_s)}\n${cue.text}\n`);
  return ["WEBVTT\n", ...written].join("\n");
}

const vttText = (text) => escaped(text).replace(/\s+/g, " ").trim();

function vttTime(seconds) {
  const ms = Math.round(1000 * seconds);
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${String(ms % 1000).padStart(3, "0")}`;
}

/**
 * Return an annotation document of ELAN (format EAF 3.0).
 *
 * Each person has a tier with the dominant expression and one with the events; the markers have one. Annotations of a
 * tier must not overlap in ELAN, so each expression has an events' tier of its own.
 */
export function eaf({ name, analysis, people, markers }) {
  const slots = [];
  let number = 0;
  const slot = (seconds) => {
    slots.push(`    <TIME_SLOT TIME_SLOT_ID="ts${slots.length + 1}" TIME_VALUE="${Math.round(1000 * seconds)}"/>`);
    return `ts${slots.length}`;
  };
  const annotation = ({ start_s, end_s, text }) => {
    number += 1;
    const refs = `TIME_SLOT_REF1="${slot(start_s)}" TIME_SLOT_REF2="${slot(end_s)}"`;
    return `      <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a${number}" ${refs}><ANNOTATION_VALUE>${escaped(text)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>`;
  };
  const taken = new Set();
  const tier = (id, person, parts) => {
    let unique = id;
    for (let again = 2; taken.has(unique); again += 1) unique = `${id} (${again})`;
    taken.add(unique);
    const who = person ? ` PARTICIPANT="${escaped(person.name)}"` : "";
    return `  <TIER LINGUISTIC_TYPE_REF="default-lt"${who} TIER_ID="${escaped(unique)}">\n${parts.map(annotation).join("\n")}\n  </TIER>`;
  };
  const lasting = ({ start_s, end_s }) => Math.round(1000 * start_s) < Math.round(1000 * end_s);
  const tiers = people.flatMap((person) => {
    const found = events(person.timeline);
    const labels = [...new Set(found.map((event) => event.label))].sort();
    const dominant = runs(person.timeline).map((run) => ({ ...run, text: run.label }));
    return [
      tier(`${person.name} expression`, person, dominant.filter(lasting)),
      ...labels.map((label) => {
        const own = found.filter((event) => event.label === label);
        const parts = own.map(({ onset_s, offset_s, peak, peak_s }) => ({
          start_s: onset_s,
          end_s: Math.max(offset_s, onset_s + 0.001),
          text: `${label}, peak ${share(peak)} at ${peak_s.toFixed(2)} s`,
        }));
        return tier(`${person.name} ${label}`, person, parts);
      }),
    ];
  });
  const ordered = [...markers].sort((one, other) => one.at_s - other.at_s);
  const marked = ordered.map(({ at_s, text }, at) => ({
    start_s: at_s,
    end_s: Math.max(at_s + 0.001, Math.min(at_s + 0.5, ordered[at + 1]?.at_s ?? Infinity)),
    text,
  }));
  if (marked.length) tiers.push(tier("Markers", null, marked));
  const mime = { mov: "video/quicktime", mp4: "video/mp4", mkv: "video/x-matroska", webm: "video/webm", avi: "video/x-msvideo" };
  const type = mime[name.split(".").at(-1).toLowerCase()] ?? "unknown";
  const url = escaped(`./${encodeURI(name).replace(/[#?]/g, encodeURIComponent)}`);
  const media = name ? `\n    <MEDIA_DESCRIPTOR MEDIA_URL="${url}" MIME_TYPE="${type}" RELATIVE_MEDIA_URL="${url}"/>` : "";
  return `<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="Mien" DATE="${analysis.created_at.replace(/Z$/, "+00:00")}" FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">${media}
    <PROPERTY NAME="lastUsedAnnotationId">${number}</PROPERTY>
  </HEADER>
  <TIME_ORDER>
${slots.join("\n")}
  </TIME_ORDER>
${tiers.join("\n")}
  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
`;
}

const BORIS = [
  "Observation id", "Observation date", "Description", "Observation duration", "Observation type", "Source",
  "Time offset (s)", "Subject", "Behavior", "Behavioral category", "Behavior type", "Time", "Media file name", "Comment",
];

/** Return a table of tabular events as BORIS exports them: tab-separated; START and STOP of events, POINT for markers. */
export function boris({ name, analysis, people, markers }) {
  const rows = [];
  const add = (subject, behaviour, category, type, time, comment) => {
    const fixed = [name || analysis.id, analysis.created_at.slice(0, 19), "", analysis.video.duration_s.toFixed(3), "Media file(s)", `player #1:${name}`, "0"];
    rows.push([...fixed, subject, behaviour, category, type, time.toFixed(3), name, comment]);
  };
  for (const person of people) {
    for (const { label, onset_s, offset_s, peak, peak_s } of events(person.timeline)) {
      add(person.name, label, "expression", "START", onset_s, `peak ${share(peak)} at ${peak_s.toFixed(3)} s`);
      add(person.name, label, "expression", "STOP", offset_s, "");
    }
  }
  for (const { at_s, text } of markers) add("No focal subject", "marker", "", "POINT", at_s, text);
  const at = BORIS.indexOf("Time");
  rows.sort((one, other) => one[at] - other[at]);
  return [BORIS, ...rows].map((row) => `${row.map((cell) => String(cell).replace(/\s+/g, " ")).join("\t")}\n`).join("");
}
