// The charts of one person, on one clock: a line marks the moment, a click goes there.

import { capital, mean, middle, percent, signed, windowAt } from "./words.js";

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
    this.placed = face.timeline.filter((window) => window.valence !== undefined);
    if (timeline.some((window) => window.expression)) this.charts.expression = this.#expression(timeline);
    if (this.placed.length) {
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
    const trail = this.placed.filter((window) => middle(window) <= time && middle(window) > time - TRAIL_S);
    const now = windowAt(this.placed, time);
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
            title: { display: this.merged > 1, text: `each point is the mean of some ${this.merged} windows` },
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
      data: points(timeline, (window) => window.expression?.scores[label]),
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
    const means = names.map((name) => `${name} ${signed(mean(this.placed.map((window) => window[name])))}`);
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

/** A timeline of `most` windows at most: those that begin in one of as many stretches of time made one. */
export function thinned(timeline, most = WINDOWS_AT_MOST) {
  if (timeline.length <= most) return timeline;
  const begin = timeline[0].start_s;
  const length = timeline.at(-1).end_s - begin;
  const stretches = [];
  for (const window of timeline) {
    const number = Math.floor((most * (window.start_s - begin)) / length);
    (stretches[number] ??= []).push(window);
  }
  const means = Object.values(stretches).map(merged);
  means.slice(1).forEach((next, number) => {
    const one = means[number];
    // Drawn, shorter gaps would be narrower than a pixel: together they only make the colours pale.
    if (next.start_s - one.end_s < length / most) one.end_s = Math.max(one.end_s, next.start_s);
  });
  return means;
}

// Each score is the mean over those that have it: models look at windows of their own.
function merged(windows) {
  const one = { start_s: windows[0].start_s, end_s: Math.max(...windows.map((window) => window.end_s)) };
  for (const name of ["valence", "arousal"]) {
    const values = windows.map((window) => window[name]).filter((value) => value !== undefined);
    if (values.length) one[name] = mean(values);
  }
  const scores = windows.flatMap((window) => window.expression?.scores ?? []);
  const labels = Object.keys(scores[0] ?? {});
  const means = labels.map((label) => [label, mean(scores.map((of) => of[label]))]);
  if (labels.length) one.expression = { scores: Object.fromEntries(means) };
  return one;
}

/** A timeline's points: at the windows' middles, from the first's start to the last's end; a gap where it was away. */
export function points(timeline, valueOf) {
  const found = [];
  const valued = timeline.filter((window) => valueOf(window) !== undefined);
  valued.forEach((window, number) => {
    const y = valueOf(window);
    const [before, after] = [valued[number - 1], valued[number + 1]];
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
