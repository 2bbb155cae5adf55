// The charts of one person, on one clock: a line marks the moment, a click goes there.

import { capital, middle, percent, signed, windowAt } from "./words.js";

const LABELS = ["happiness", "surprise", "neutral", "sadness", "fear", "anger", "disgust", "contempt"];
const COLOURS = {
  light: ["#e0a100", "#d9622b", "#9aa0b4", "#3b74c9", "#7b52b8", "#c0392b", "#4d8b3a", "#7a6a53"],
  dark: ["#ffcf4d", "#ff9a62", "#8f95ab", "#77a9f5", "#b592ec", "#f0796e", "#86c271", "#bda98c"],
};
const LINES = {
  light: { valence: "#1a7f5c", arousal: "#c4417f" },
  dark: { valence: "#4fd1a5", arousal: "#ff8fc0" },
};
const TRAIL_S = 3;
// At its whole length it leaves little of a phone to the chart.
const HYPHENATED = { conscientiousness: ["Conscien-", "tiousness"] };
const WINDOWS_AT_MOST = 800; // more than a screen can tell apart, and few enough to be drawn at each moment
const AXIS_PX = 52; // of every chart over time, so that one moment is at one place in all

const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Pairs of a label and something, as the labels stand in charts. */
export const inOrder = (entries) => {
  const place = ([label]) => (LABELS.includes(label) ? LABELS.indexOf(label) : LABELS.length);
  return entries.sort((one, other) => place(one) - place(other));
};

export const colourOf = (label) => {
  const known = LABELS.indexOf(label);
  return COLOURS[dark.matches ? "dark" : "light"][known < 0 ? LABELS.length - 1 : known];
};

/** Draws a line at the moment. */
const cursor = {
  id: "cursor",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea, scales } = chart;
    const x = scales.x.getPixelForValue(chart.$moment ?? 0);
    if (x < chartArea.left || x > chartArea.right) return;
    ctx.save();
    ctx.strokeStyle = css("--ink");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  },
};

/** Draws the unit circle of the valence–arousal plane with words at its ends. */
const circumplex = {
  id: "circumplex",
  beforeDatasetsDraw(chart) {
    const { ctx, scales } = chart;
    const [left, right] = [-1, 1].map((v) => scales.x.getPixelForValue(v));
    const [low, high] = [-1, 1].map((v) => scales.y.getPixelForValue(v));
    ctx.save();
    ctx.strokeStyle = css("--line");
    ctx.beginPath();
    ctx.ellipse((left + right) / 2, (low + high) / 2, (right - left) / 2, (low - high) / 2, 0, 0, 2 * Math.PI);
    ctx.stroke();
    ctx.fillStyle = css("--soft");
    ctx.font = "12px system-ui, sans-serif";
    const words = { tense: [-0.66, 0.7], excited: [0.66, 0.7], sad: [-0.66, -0.7], calm: [0.66, -0.7] };
    ctx.textAlign = "center";
    for (const [word, [v, a]] of Object.entries(words)) {
      ctx.fillText(word, scales.x.getPixelForValue(v), scales.y.getPixelForValue(a));
    }
    ctx.restore();
  },
};

export class Charts {
  /** `elements` are the canvases by name; `onSeek` gets a time in seconds. */
  constructor(elements, onSeek) {
    this.elements = elements;
    this.onSeek = onSeek;
    this.charts = {};
    dark.addEventListener("change", () => this.face && this.show(this.face, this.span));
  }

  /** Show a person over a stretch of time, in seconds. */
  show(face, span) {
    Object.values(this.charts).forEach((chart) => chart.destroy());
    this.face = face;
    this.span = span;
    Object.assign(Chart.defaults, { color: css("--soft"), borderColor: css("--grid"), animation: false });
    Chart.defaults.font.family = css("font-family") || "system-ui, sans-serif";
    this.charts = {};
    const timeline = thinned(face.timeline);
    this.merged = Math.ceil(face.timeline.length / timeline.length);
    if (timeline.some((window) => window.expression)) this.charts.expression = this.#expression(timeline);
    if (timeline.some((window) => window.valence !== undefined)) {
      this.charts.dimensions = this.#dimensions(timeline);
      this.charts.plane = this.#plane();
    }
    if (face.personality) this.charts.traits = this.#traits(face.personality);
    for (const [name, canvas] of Object.entries(this.elements)) {
      canvas.closest(".card").hidden = !this.charts[name];
    }
    this.moment(this.time ?? span[0]);
  }

  /** Mark a moment in all charts. */
  moment(time) {
    this.time = time;
    for (const name of ["expression", "dimensions"]) {
      const chart = this.charts[name];
      if (!chart) continue;
      chart.$moment = time;
      chart.draw();
    }
    if (!this.charts.plane) return;
    const trail = this.face.timeline.filter((window) => middle(window) <= time && middle(window) > time - TRAIL_S);
    const now = windowAt(this.face.timeline, time);
    const point = (window) => ({ x: window.valence, y: window.arousal });
    this.charts.plane.data.datasets[0].data = calm.matches ? [] : trail.map(point);
    this.charts.plane.data.datasets[1].data = now ? [point(now)] : [];
    this.charts.plane.update("none");
  }

  #overTime(canvas, datasets, y, label) {
    canvas.setAttribute("aria-label", label);
    return new Chart(canvas, {
      type: "line",
      data: { datasets },
      plugins: [cursor],
      options: {
        parsing: false,
        normalized: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        onClick: (event, _, chart) => this.onSeek(chart.scales.x.getValueForPixel(event.x)),
        elements: { point: { radius: 0, hitRadius: 8 }, line: { borderWidth: 2, cubicInterpolationMode: "monotone" } },
        plugins: {
          legend: { position: "bottom", labels: { boxWidth: 12, boxHeight: 12 } },
          tooltip: { callbacks: { title: ([item]) => `${item.parsed.x.toFixed(2)} s` } },
        },
        scales: {
          x: {
            type: "linear",
            min: this.span[0],
            max: this.span[1],
            ticks: timeTicks(this.span[1] - this.span[0]),
            title: { display: this.merged > 1, text: `each point is the mean of ${this.merged} windows` },
          },
          y: { ...y, afterFit: (scale) => (scale.width = AXIS_PX) },
        },
      },
    });
  }

  #expression(timeline) {
    const given = timeline.find((window) => window.expression).expression.scores;
    const datasets = inOrder(Object.entries(given)).map(([label], number) => ({
      label: capital(label),
      data: points(timeline, (window) => window.expression?.scores[label] ?? 0),
      fill: number ? "-1" : "origin",
      backgroundColor: colourOf(label),
      borderWidth: 0,
    }));
    const y = { stacked: true, min: 0, max: 1, ticks: { stepSize: 0.25, callback: percent } };
    const often = mostFrequent(this.face.timeline.map((window) => window.expression?.label));
    return this.#overTime(
      this.elements.expression,
      datasets,
      y,
      `Expression over time as stacked areas; most often ${often}.`,
    );
  }

  #dimensions(timeline) {
    const colours = LINES[dark.matches ? "dark" : "light"];
    const names = ["valence", "arousal"];
    const datasets = names.map((name) => ({
      label: capital(name),
      data: points(timeline, (window) => window[name]),
      borderColor: colours[name],
      backgroundColor: colours[name],
    }));
    const means = names.map((name) => {
      const values = timeline.map((window) => window[name]);
      return `${name} ${signed(values.reduce((sum, value) => sum + value, 0) / values.length)}`;
    });
    const label = `Valence and arousal over time; on average ${means.join(", ")}.`;
    const y = { min: -1, max: 1, ticks: { stepSize: 0.5, callback: tick } };
    return this.#overTime(this.elements.dimensions, datasets, y, label);
  }

  #plane() {
    const canvas = this.elements.plane;
    canvas.setAttribute("aria-label", "Valence from left to right, arousal upwards, at the moment that is shown.");
    const accent = css("--accent");
    return new Chart(canvas, {
      type: "scatter",
      data: {
        datasets: [
          { data: [], showLine: true, borderColor: `${accent}88`, pointRadius: 0, borderWidth: 2, tension: 0.3 },
          { data: [], pointRadius: 8, pointBackgroundColor: accent, pointBorderColor: css("--card"), pointBorderWidth: 2 },
        ],
      },
      plugins: [circumplex],
      options: {
        maintainAspectRatio: false,
        events: [],
        plugins: { legend: { display: false }, tooltip: { enabled: false } },
        scales: {
          x: { min: -1, max: 1, title: { display: true, text: "Valence" }, ticks: { stepSize: 0.5, callback: tick } },
          y: { min: -1, max: 1, title: { display: true, text: "Arousal" }, ticks: { stepSize: 0.5, callback: tick } },
        },
      },
    });
  }

  #traits(personality) {
    const canvas = this.elements.traits;
    const entries = Object.entries(personality);
    const said = entries.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
    canvas.setAttribute("aria-label", `Apparent personality: ${said}.`);
    const accent = css("--accent");
    return new Chart(canvas, {
      type: "radar",
      data: {
        labels: entries.map(([name, value]) => [...(HYPHENATED[name] ?? [capital(name)]), percent(value)]),
        datasets: [
          {
            label: "Apparent",
            data: entries.map(([, value]) => value),
            borderColor: accent,
            backgroundColor: `${accent}40`,
            pointBackgroundColor: accent,
          },
        ],
      },
      options: {
        maintainAspectRatio: false,
        layout: { padding: 6 },
        events: [], // what a tooltip would say is written at the corners
        plugins: { legend: { display: false } },
        scales: {
          r: {
            min: 0,
            max: 1,
            ticks: { stepSize: 0.25, display: false },
            angleLines: { color: css("--line") },
            grid: { color: css("--line") },
            pointLabels: { color: css("--ink"), font: { size: 13 } },
          },
        },
      },
    });
  }
}

const tick = (value) => (value ? signed(value).replace(/0$/, "") : "0").replace(/\.0$/, "");
const timeTicks = (seconds) =>
  seconds > 120
    ? { maxRotation: 0, stepSize: 60 * Math.ceil(seconds / 480), callback: (at) => `${Math.round(at / 60)} min` }
    : { maxRotation: 0, callback: (at) => `${Number(at.toFixed(2))} s` };

/** A timeline of not many more windows than `most`: neighbours made one, with their mean scores, never over a gap. */
export function thinned(timeline, most = WINDOWS_AT_MOST) {
  const size = Math.ceil(timeline.length / most);
  const groups = [];
  for (const window of timeline) {
    const group = groups.at(-1);
    if (group && group.length < size && window.start_s <= group.at(-1).end_s) group.push(window);
    else groups.push([window]);
  }
  return groups.map((group) => (group.length > 1 ? merged(group) : group[0]));
}

function merged(windows) {
  const [first] = windows;
  const mean = (valueOf) => windows.reduce((sum, window) => sum + valueOf(window), 0) / windows.length;
  const one = { start_s: first.start_s, end_s: windows.at(-1).end_s };
  for (const name of ["valence", "arousal"]) if (first[name] !== undefined) one[name] = mean((window) => window[name]);
  if (first.expression) {
    const labels = Object.keys(first.expression.scores);
    one.expression = { scores: Object.fromEntries(labels.map((label) => [label, mean((w) => w.expression.scores[label])])) };
  }
  return one;
}

/** A timeline's points: at the windows' middles, from the first's start to the last's end; a gap where it was away. */
export function points(timeline, valueOf) {
  const found = [];
  timeline.forEach((window, number) => {
    const y = valueOf(window);
    const [before, after] = [timeline[number - 1], timeline[number + 1]];
    const begins = !before || before.end_s < window.start_s;
    const ends = !after || window.end_s < after.start_s;
    if (before && begins) found.push({ x: (before.end_s + window.start_s) / 2, y: NaN });
    if (begins) found.push({ x: window.start_s, y });
    found.push({ x: middle(window), y });
    if (ends) found.push({ x: window.end_s, y });
  });
  return found;
}

export function mostFrequent(labels) {
  const counts = new Map();
  for (const label of labels) if (label) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0];
}
