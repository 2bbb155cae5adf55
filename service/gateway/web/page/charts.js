// The charts of a view on the page: drawn anew when something changes, with a line at the moment.
//
// A click goes to its time, dragging zooms, a double click shows all again.

import { element } from "./dom.js";
import { themeOf } from "./palette.js";
import { DIMENSIONS, dimensionsChart, lanesChart, LEFT, peopleChart, planeChart, RIGHT, timeAt, traitsChart } from "./plot.js";
import { labelsOf, smoothed, windowAt } from "./timeline.js";
import { clock, middle, phrases } from "./words.js";

const TRAIL_S = 3;
const DRAG_PX = 6;
const FILE_PX = 960; // the width of charts in files

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

export class Charts {
  #drawn = {}; // name → function from a frame to SVG
  #smoothed = []; // the people with the timelines that are drawn
  #person = null; // the chosen one of them
  #printing = false;

  /**
   * `elements` by name: people, expression, dimensions, plane, traits; all are optional. `onSeek` gets a time in seconds.
   * `signal` ends it, for charts that are removed before the page is closed.
   */
  constructor(elements, view, onSeek, signal) {
    this.elements = elements;
    this.view = view;
    this.onSeek = onSeek;
    this.smoothing = 0;
    const redraw = () => this.draw();
    dark.addEventListener("change", redraw, { signal });
    view.addEventListener("span", redraw, { signal });
    view.addEventListener("moment", () => this.#mark(), { signal });
    window.addEventListener("beforeprint", () => this.#print(true), { signal });
    window.addEventListener("afterprint", () => this.#print(false), { signal });
    const resized = new ResizeObserver(redraw);
    signal?.addEventListener("abort", () => resized.disconnect());
    for (const [name, box] of Object.entries(elements)) {
      resized.observe(box);
      if (name !== "plane" && name !== "traits") this.#steer(box);
    }
  }

  /** Show people, one of them chosen, with the viewer's markers. */
  show(people, chosen, markers = []) {
    Object.assign(this, { people, chosen, markers });
    const { timeline, personality } = chosen;
    const labels = labelsOf(timeline);
    const placed = timeline.some((window) => window.valence !== undefined);
    this.#smoothed = people.map((one) => ({ ...one, timeline: smoothed(one.timeline, this.smoothing) }));
    const person = this.#smoothed[people.indexOf(chosen)];
    this.#person = person;
    this.#drawn = {
      people: people.length > 1 && labelsOf(people.flatMap((one) => one.timeline)).length && ((frame) => peopleChart(this.#smoothed, frame)),
      expression: labels.length && ((frame) => lanesChart(person, labels, frame)),
      dimensions: placed && ((frame) => dimensionsChart(person, frame)),
      plane: placed && ((frame) => planeChart(this.#path(), frame)),
      traits: personality && ((frame) => traitsChart(personality, frame)),
    };
    for (const [name, box] of Object.entries(this.elements)) {
      (box.closest(".chart-box") ?? box).hidden = !this.#drawn[name];
    }
    this.draw();
  }

  /** Average over so many seconds; 0 shows the raw values. */
  smooth(seconds) {
    this.smoothing = seconds;
    if (this.chosen) this.show(this.people, this.chosen, this.markers);
  }

  /** Return the names of the charts that are shown. */
  get names() {
    return Object.keys(this.#drawn).filter((name) => this.#drawn[name] && this.elements[name]);
  }

  /** Return a chart as SVG for a file: light, and as wide as a page. */
  svg(name) {
    return this.#drawn[name](this.#frame(name === "plane" ? 400 : FILE_PX, themeOf(false)));
  }

  draw() {
    for (const name of this.names) if (name !== "plane") this.#paint(name);
    this.#mark(); // which draws the plane
  }

  #paint(name) {
    const box = this.elements[name];
    const width = this.#printing ? (name === "plane" ? 300 : 680) : box.clientWidth;
    if (!width) return; // hidden
    box.querySelector("svg")?.remove();
    box.insertAdjacentHTML("afterbegin", this.#drawn[name](this.#frame(width, themeOf(dark.matches && !this.#printing))));
  }

  #frame(width, theme) {
    return { span: this.view.span, width, theme, markers: this.markers };
  }

  #path() {
    const time = this.view.moment;
    const placed = this.#person.timeline.filter((window) => window.valence !== undefined);
    const now = windowAt(placed, time);
    if (!now) return [];
    const trail = calm.matches ? [] : placed.filter((window) => middle(window) <= time && middle(window) > time - TRAIL_S);
    return [...trail, now].map((window) => DIMENSIONS.map((name) => window[name]));
  }

  #print(printing) {
    this.#printing = printing;
    if (this.chosen) this.draw();
  }

  #mark() {
    const [from, to] = this.view.span;
    const time = this.view.moment;
    for (const name of this.names) {
      const box = this.elements[name];
      if (name === "plane") this.#paint(name);
      else if (name !== "traits") {
        const cursor = box.querySelector(".cursor");
        cursor.hidden = time < from || time > to;
        cursor.style.left = `${LEFT + ((time - from) / (to - from || 1)) * (box.clientWidth - LEFT - RIGHT)}px`;
      }
    }
  }

  #steer(box) {
    const timeOf = (event) => timeAt({ span: this.view.span, width: box.clientWidth }, event.clientX - box.getBoundingClientRect().left);
    let began = null;
    const selection = element("div", "", "selection");
    const readout = element("div", "", "readout");
    readout.hidden = true;
    readout.setAttribute("aria-hidden", "true"); // the line under the player says the same
    box.append(readout, element("div", "", "cursor"));
    box.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      began = { x: event.clientX, time: timeOf(event) };
    });
    box.addEventListener("pointermove", (event) => {
      this.#say(readout, box, event, timeOf(event));
      if (!began || Math.abs(event.clientX - began.x) < DRAG_PX) return;
      if (!selection.isConnected) {
        box.setPointerCapture(event.pointerId);
        box.append(selection);
      }
      const left = box.getBoundingClientRect().left;
      selection.style.left = `${Math.min(began.x, event.clientX) - left}px`;
      selection.style.width = `${Math.abs(event.clientX - began.x)}px`;
    });
    box.addEventListener("pointerup", (event) => {
      if (!began) return;
      const [from, to] = [began.time, timeOf(event)];
      if (selection.isConnected) this.view.zoom(from, to);
      else this.onSeek(to);
      selection.remove();
      began = null;
    });
    box.addEventListener("pointercancel", () => {
      selection.remove();
      began = null;
    });
    box.addEventListener("pointerleave", () => (readout.hidden = true));
    box.addEventListener("dblclick", () => this.view.whole());
  }

  #say(readout, box, event, time) {
    if (event.pointerType === "touch") return;
    const people = box === this.elements.people ? this.#smoothed : [this.#person];
    const said = people.map((person) => {
      const window = windowAt(person.timeline, time);
      const told = window ? phrases(window).join(" · ") : "not visible";
      return people.length > 1 ? `${person.name}: ${told}` : told;
    });
    readout.textContent = [clock(time), ...said].join("\n");
    readout.hidden = false;
    const x = event.clientX - box.getBoundingClientRect().left;
    readout.style.left = `${Math.max(0, Math.min(x + 12, box.clientWidth - readout.offsetWidth))}px`;
  }
}
