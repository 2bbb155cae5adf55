// Charts as SVG, written as text: on the screen, in the files and in the report they are the same. Pure functions.
//
// Every chart over time has the same margins, so that one moment is at one place in all of them. `frame` is
// { span: [from, to] in s, width in px, theme, markers: [{ at_s, text }] }.

import { dominant, runs, UNCERTAIN } from "./summary.js";
import { inOrder } from "./palette.js";
import { timeTicks } from "./ticks.js";
import { lines, thinned, within } from "./timeline.js";
import { capital, clock, escaped, percent } from "./words.js";

export const LEFT = 84;
export const RIGHT = 26; // half of the last label
const TOP = 6;
const FOOT = 24;
const STRIP = 20;
const LANE = 30;
const GAP = 6;
const ROW = 20; // of a legend
const FADED = 0.35;

const num = (value) => Number(value.toFixed(2));

/** Return the function from seconds to pixels of a frame. */
const scaleOf = ({ span: [from, to], width }) => (time) => LEFT + ((time - from) / (to - from || 1)) * (width - LEFT - RIGHT);

/** Return the time at a place of a chart, from the left in pixels. */
export const timeAt = ({ span: [from, to], width }, x) =>
  from + Math.min(1, Math.max(0, (x - LEFT) / (width - LEFT - RIGHT))) * (to - from);

const text = (x, y, said, theme, more = "") =>
  `<text x="${num(x)}" y="${num(y)}" fill="${theme.soft}" ${more}>${escaped(said)}</text>`;

function svg(frame, height, inside, said) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${frame.width}" height="${num(height)}" viewBox="0 0 ${frame.width} ${num(height)}" ` +
    `font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${escaped(said)}">${inside}</svg>`
  );
}

let charts = 0;

/** `inside` gets the scale and the look of what is clipped to the time shown. */
function overTime(frame, bottom, inside, said) {
  const x = scaleOf(frame);
  charts += 1; // several charts stand in one document, and ids are unique there
  const clip = `<clipPath id="clip-${charts}"><rect x="${LEFT}" y="0" width="${num(frame.width - LEFT - RIGHT)}" height="${num(bottom)}"/></clipPath>`;
  const ticks = timeTicks(frame.span, frame.width - LEFT - RIGHT).map(
    ({ at, label }) =>
      `<path d="M${num(x(at))} ${TOP}V${num(bottom + 4)}" stroke="${frame.theme.grid}"/>` +
      text(x(at), bottom + 17, label, frame.theme, `text-anchor="middle"`),
  );
  const marks = frame.markers
    .filter(({ at_s }) => at_s >= frame.span[0] && at_s <= frame.span[1])
    .map(
      ({ at_s, text: note }) =>
        `<g><title>${escaped(`${clock(at_s)} ${note}`)}</title><path d="M${num(x(at_s))} 0V${num(bottom)}" stroke="${frame.theme.accent}" ` +
        `stroke-dasharray="2 3" stroke-width="1.5"/><path d="M${num(x(at_s) - 5)} 0h10l-5 7z" fill="${frame.theme.accent}"/></g>`,
    );
  const clipped = `clip-path="url(#clip-${charts})"`;
  return svg(frame, bottom + FOOT, clip + ticks.join("") + inside(x, clipped) + marks.join(""), said);
}

const endingAt = (x, y, said, theme) => text(x, y, said, theme, `text-anchor="end"`);
const side = (y, said, theme) => endingAt(LEFT - 8, y, said, theme);

const lookOf = (label, theme) =>
  label === UNCERTAIN ? `fill="${theme.soft}" fill-opacity="${FADED}"` : `fill="${theme.colourOf(label)}"`;

/** Draw the dominant expression over time: faded and grey where it is uncertain. */
function strip(timeline, y, frame, x, clipped) {
  const parts = runs(within(timeline, frame.span)).map(({ label, start_s, end_s, probability }) => {
    const wide = Math.max(0.5, x(end_s) - x(start_s));
    const said = `${capital(label)}, ${clock(start_s)} to ${clock(end_s)}, ${percent(probability)}`;
    return `<rect x="${num(x(start_s))}" y="${y}" width="${num(wide)}" height="${STRIP}" ${lookOf(label, frame.theme)}><title>${escaped(said)}</title></rect>`;
  });
  const from = num(x(frame.span[0]));
  const back = `<rect x="${from}" y="${y}" width="${num(x(frame.span[1]) - from)}" height="${STRIP}" fill="none" stroke="${frame.theme.line}"/>`;
  return `<g ${clipped}>${parts.join("")}</g>${back}`;
}

const shorten = (name) => (name.length > 12 ? `${name.slice(0, 11)}…` : name);

/** Draw the legend of strips, in as many rows as it needs: the expressions that occur in the time shown. */
function legend(people, frame) {
  const shown = people.flatMap((person) => within(person.timeline, frame.span)).filter((window) => window.expression);
  let [x, row] = [LEFT, 0];
  const entries = inOrder(new Set(shown.map(dominant))).map((label) => {
    const wide = 28 + 7 * label.length;
    if (x > LEFT && x + wide > frame.width - RIGHT) [x, row] = [LEFT, row + 1];
    const y = TOP + row * ROW;
    const entry = `<rect x="${x}" y="${y}" width="12" height="12" ${lookOf(label, frame.theme)}/>` + text(x + 17, y + 10, capital(label), frame.theme);
    x += wide;
    return entry;
  });
  return { drawn: entries.join(""), height: entries.length ? (row + 1) * ROW : 0 };
}

/** Draw a strip a person on one clock. */
export function peopleChart(people, frame) {
  const { drawn, height } = legend(people, frame);
  const bottom = TOP + height + people.length * (STRIP + GAP);
  const inside = (x, clipped) =>
    drawn +
    people
      .map((person, number) => {
        const y = TOP + height + number * (STRIP + GAP);
        return side(y + 14, shorten(person.name), frame.theme) + strip(person.timeline, y, frame, x, clipped);
      })
      .join("");
  return overTime(frame, bottom, inside, `The dominant expression of ${people.map((person) => person.name).join(", ")} over time.`);
}

/** Draw a lane an expression, with a strip of the dominant one above. */
export function lanesChart(person, labels, frame) {
  const top = TOP + STRIP + 2 * GAP;
  const bottom = top + labels.length * (LANE + GAP);
  const visible = within(person.timeline, frame.span);
  const few = thinned(visible, frame.width);
  const inside = (x, clipped) =>
    side(TOP + 14, "Dominant", frame.theme) +
    strip(person.timeline, TOP, frame, x, clipped) +
    labels
      .map((label, number) => {
        const floor = top + number * (LANE + GAP) + LANE;
        const y = (share) => num(floor - share * LANE);
        const areas = lines(few, (one) => one.expression?.scores[label]).map(
          (points) =>
            `M${num(x(points[0][0]))} ${floor}` +
            points.map(([at, share]) => `L${num(x(at))} ${y(share)}`).join("") +
            `L${num(x(points.at(-1)[0]))} ${floor}Z`,
        );
        const wide = `M${LEFT} ${floor}H${frame.width - RIGHT}M${LEFT} ${floor - LANE}H${frame.width - RIGHT}`;
        return (
          `<path d="${wide}" stroke="${frame.theme.grid}"/>` +
          `<path ${clipped} d="${areas.join("")}" fill="${frame.theme.colourOf(label)}"/>` +
          side(floor - LANE / 2 + 4, capital(label), frame.theme)
        );
      })
      .join("");
  const said = [...new Set(visible.filter((one) => one.expression).map(dominant))].join(", ");
  return overTime(frame, bottom, inside, `${person.name}: the probability of each expression over time, one lane each. Dominant: ${said || "none"}.`);
}

export const DIMENSIONS = ["valence", "arousal"];

const level = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)}`;

/** Draw valence and arousal over time; arousal is dashed. */
export function dimensionsChart(person, frame) {
  const height = 170;
  const bottom = TOP + 28 + height;
  const y = (value) => num(TOP + 20 + ((1 - value) / 2) * height);
  const few = thinned(within(person.timeline, frame.span), frame.width);
  const inside = (x, clipped) => {
    const levels = [1, 0.5, 0, -0.5, -1].map(
      (value) =>
        `<path d="M${LEFT} ${y(value)}H${frame.width - RIGHT}" stroke="${value ? frame.theme.grid : frame.theme.line}"/>` +
        side(y(value) + 4, level(value), frame.theme),
    );
    const drawn = DIMENSIONS.map((name, number) => {
      const d = lines(few, (one) => one[name]).map((points) => `M${points.map(([at, value]) => `${num(x(at))} ${y(value)}`).join("L")}`);
      const look = `fill="none" stroke="${frame.theme.colourOf(name)}" stroke-width="2"${name === "arousal" ? ' stroke-dasharray="6 3"' : ""}`;
      const at = LEFT + number * 100;
      return (
        `<path ${clipped} d="${d.join("")}" ${look}/>` +
        `<path d="M${at} ${TOP + 6}h24" ${look}/>` +
        text(at + 30, TOP + 10, capital(name), frame.theme)
      );
    });
    return levels.join("") + drawn.join("");
  };
  return overTime(frame, bottom, inside, `${person.name}: valence and arousal over time, from −1 to +1.`);
}

/** Draw the plane of valence and arousal with a path (pairs of both) to the current place. */
export function planeChart(path, { width, theme }) {
  const [left, right, top] = [40, width - 10, 10];
  const size = right - left;
  const height = top + size + 40;
  const x = (value) => num(left + ((value + 1) / 2) * size);
  const y = (value) => num(top + ((1 - value) / 2) * size);
  const levels = [-1, -0.5, 0, 0.5, 1].map(
    (value) =>
      `<path d="M${x(value)} ${top}V${top + size}M${left} ${y(value)}H${right}" stroke="${value ? theme.grid : theme.line}"/>` +
      text(x(value), top + size + 15, level(value), theme, `text-anchor="middle"`) +
      text(left - 6, y(value) + 4, level(value), theme, `text-anchor="end"`),
  );
  const words = Object.entries({ tense: [-0.66, 0.7], excited: [0.66, 0.7], sad: [-0.66, -0.7], calm: [0.66, -0.7] }).map(
    ([word, [valence, arousal]]) => text(x(valence), y(arousal), word, theme, `text-anchor="middle"`),
  );
  const now = path.at(-1);
  const inside =
    levels.join("") +
    `<circle cx="${x(0)}" cy="${y(0)}" r="${num(size / 2)}" fill="none" stroke="${theme.line}"/>` +
    words.join("") +
    text(x(0), top + size + 32, "Valence", theme, `text-anchor="middle"`) +
    text(0, 0, "Arousal", theme, `text-anchor="middle" transform="translate(11 ${y(0)}) rotate(-90)"`) +
    (path.length > 1 ? `<path d="M${path.map(([v, a]) => `${x(v)} ${y(a)}`).join("L")}" fill="none" stroke="${theme.accent}" stroke-opacity=".5" stroke-width="2"/>` : "") +
    (now ? `<circle cx="${x(now[0])}" cy="${y(now[1])}" r="8" fill="${theme.accent}" stroke="${theme.card}" stroke-width="2"/>` : "");
  return svg({ width }, height, inside, "Valence from left to right, arousal upwards, at the moment that is shown.");
}

/** Draw a bar for each trait of apparent personality. */
export function traitsChart(personality, { width, theme }) {
  const entries = Object.entries(personality);
  const [left, right, row] = [136, 48, 34];
  const size = width - left - right;
  const bars = entries.map(([name, value], number) => {
    const y = 4 + number * row;
    return (
      endingAt(left - 8, y + 17, capital(name), theme) +
      `<rect x="${left}" y="${y + 4}" width="${num(size)}" height="18" rx="4" fill="${theme.grid}"/>` +
      `<rect x="${left}" y="${y + 4}" width="${num(size * value)}" height="18" rx="4" fill="${theme.accent}"/>` +
      text(left + size + 8, y + 17, percent(value), theme)
    );
  });
  const said = entries.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
  return svg({ width }, 4 + entries.length * row, bars.join(""), `Apparent personality: ${said}.`);
}
