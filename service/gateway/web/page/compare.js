// The view of several results: side by side on one clock, and summarised as a group.

import { Charts } from "./charts.js";
import { $, element, row } from "./dom.js";
import { csvOf } from "./exports.js";
import { howMany, peopleOf } from "./people.js";
import { group } from "./summary.js";
import { save } from "./downloads.js";
import { windowAt } from "./timeline.js";
import { TimeView } from "./timeview.js";
import { viewButtons } from "./viewbuttons.js";
import { capital, clock, nameOf, percent, phrases, signed } from "./words.js";

export class Compare {
  #view = new TimeView();
  #looking = new AbortController(); // aborted when another view is shown
  #after = []; // functions that draw the charts once they are on the page

  constructor({ uploads, library }) {
    Object.assign(this, { uploads, library, ids: [] });
    $("group-csv").addEventListener("click", () => this.#save());
    viewButtons(this.#view, "compare-");
    $("compare-moment").addEventListener("input", ({ target }) => this.#view.mark(Number(target.value)));
    this.#view.addEventListener("moment", () => this.#tell());
  }

  /** Show analyses that have succeeded. */
  show(analyses) {
    this.leave();
    this.ids = analyses.map((one) => one.id);
    this.#view.reset(Math.max(...analyses.map((one) => one.video.duration_s)));
    $("compare-moment").max = this.#view.length;
    this.#tell();
    this.shown = analyses.map((analysis) => {
      const record = this.library.recordOf(analysis.id);
      return { analysis, name: nameOf(analysis, record), people: peopleOf(analysis.faces, record.notes), markers: record.notes.markers };
    });
    $("compare-title").textContent = `${analyses.length} results`;
    $("compare-columns").replaceChildren(...this.shown.map((one) => this.#column(one)));
    for (const draw of this.#after.splice(0)) draw(); // charts need a width, which elements have only on the page
    this.#drawGroup();
    $("compare-title").focus();
  }

  leave() {
    this.ids = [];
    this.#looking.abort();
    this.#looking = new AbortController();
    $("compare-columns").replaceChildren();
  }

  #tell() {
    const said = clock(this.#view.moment);
    $("compare-moment").value = this.#view.moment;
    $("compare-moment").setAttribute("aria-valuetext", `${said} of ${clock(this.#view.length)}`);
    $("compare-time").textContent = said;
  }

  #column({ analysis, name, people, markers }) {
    const column = element("article", "", "card");
    column.append(element("h3", name), element("p", `${clock(analysis.video.duration_s)} · ${howMany(people)}`, "hint"));
    if (!people.length) return column;
    const elements = {};
    const file = this.uploads.fileOf(analysis.id);
    let video = null;
    if (file) {
      video = element("video");
      Object.assign(video, { src: URL.createObjectURL(file), muted: true, playsInline: true });
      this.#looking.signal.addEventListener("abort", () => URL.revokeObjectURL(video.src));
      video.setAttribute("aria-label", `Video ${name}`);
      video.addEventListener("error", () => video.remove(), { once: true });
      column.append(video);
    }
    const choice = element("select");
    choice.append(...people.map((person, number) => new Option(person.name, number)));
    const label = element("label", "Person ");
    label.append(choice);
    const said = element("p", "", "now");
    column.append(label, said);
    for (const part of ["expression", "dimensions"]) column.append((elements[part] = element("div", "", "chart")));
    const view = this.#view;
    const { signal } = this.#looking;
    const charts = new Charts(elements, view, (time) => view.mark(time), signal);
    const tell = () => {
      const person = people[choice.value];
      const window = windowAt(person.timeline, view.moment);
      said.textContent = `${clock(view.moment)} · ${window ? phrases(window).join(" · ") : "not visible"}`;
      if (video?.isConnected) video.currentTime = Math.min(view.moment, analysis.video.duration_s);
    };
    const draw = () => {
      charts.show(people, people[choice.value], markers);
      tell();
    };
    choice.addEventListener("change", draw);
    view.addEventListener("moment", tell, { signal });
    this.#after.push(draw);
    return column;
  }

  get #timelines() {
    return this.shown.flatMap((one) => one.people.map((person) => person.timeline));
  }

  #drawGroup() {
    const rows = group(this.#timelines).map(({ name, kind, count, mean, half }) => {
      // An interval around a share may exceed 0 and 1.
      const told = kind === "share" ? (value) => percent(Math.min(1, Math.max(0, value))) : signed;
      const range = Number.isNaN(half) ? "–" : `${told(mean - half)} to ${told(mean + half)}`;
      return row("td", [kind === "share" ? `${capital(name)}, share of time` : capital(name), told(mean), range, String(count)]);
    });
    $("group").replaceChildren(row("th", ["What", "Mean", "95 % interval", "People"]), ...rows);
  }

  #save() {
    const rows = group(this.#timelines).map(({ name, kind, count, mean, half }) => [name, kind, count, mean, mean - half, mean + half]);
    save(csvOf([["name", "kind", "people", "mean", "low", "high"], ...rows]), "group.csv", "text/csv");
  }
}
