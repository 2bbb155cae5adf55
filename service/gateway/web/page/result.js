// The view of one result: player, summary, charts, events, markers, and exports.

import { annotated, canRecord } from "./annotated.js";
import { Charts } from "./charts.js";
import { $, button, element, replaceAll, row } from "./dom.js";
import { png, save } from "./downloads.js";
import { events } from "./events.js";
import { additions, boris, csvRows, csvWithNames, eaf, fileName, vtt } from "./exports.js";
import { themeOf } from "./palette.js";
import { atOnce, defaultName, howMany, joinedNotes, partedNotes, peopleOf, together } from "./people.js";
import { report } from "./report.js";
import { Problem, timelineCsv } from "./service.js";
import { Stage } from "./stage.js";
import { dimension, shares, UNCERTAIN } from "./summary.js";
import { portraits } from "./thumbnail.js";
import { labelsOf, windowAt } from "./timeline.js";
import { TimeView } from "./timeview.js";
import { viewButtons } from "./viewbuttons.js";
import { capital, clock, IMPRESSION, nameOf, percent, phrases, signed, written } from "./words.js";

const ROWS_AT_MOST = 1000;
const TITLES = {
  people: "Everybody’s dominant expression",
  expression: "Expression",
  dimensions: "Valence and arousal",
  plane: "Valence and arousal now",
  traits: "Apparent personality",
};

export const named = ({ name, version, trained }) => `${name} ${version}, ${trained ? "trained" : "not trained"}`;

// The API has options where the page has fields.
const inPagesWords = (warning) =>
  warning.replace(/raise the option faces \(up to \d+\)/, "choose more under “Faces to follow at a time” and analyse the video again");

/** Return a person's picture from the result as a data URL; "" if there is none. */
function kept({ faces }) {
  const pictures = faces.flatMap((face) => face.pictures ?? []);
  return pictures.length ? `data:image/jpeg;base64,${pictures[pictures.length >> 1].jpeg}` : "";
}

/** Return the notes with two people joined, each with those whom the stored notes have joined to them already. */
function joined(faces, notes, ...two) {
  const people = peopleOf(faces, notes);
  const [person, other] = two.map(({ track }) => people.find(({ tracks }) => tracks.includes(track)));
  return together(person, other) ? notes : joinedNotes(notes, person, other);
}

/** Return a list without the first one of which `wanted` is true. */
function without(all, wanted) {
  const place = all.findIndex(wanted);
  return place < 0 ? all : all.toSpliced(place, 1);
}

export class Result {
  #looking = new AbortController(); // aborted when another view is shown
  #pictures = new Map(); // track → canvas
  #noted = Promise.resolve(); // resolves when the last change of the notes is kept
  #view = new TimeView();

  constructor({ uploads, library, onProblem }) {
    Object.assign(this, { uploads, library, onProblem, analysis: null });
    const elements = Object.fromEntries(Object.keys(TITLES).map((name) => [name, $(name)]));
    this.charts = new Charts(elements, this.#view, (time) => this.stage.seek(time));
    const parts = { stage: "stage", video: "video", boxes: "boxes", scrub: "scrub", play: "play", time: "time", missing: "no-video", attach: "attach" };
    this.stage = new Stage(Object.fromEntries(Object.entries(parts).map(([name, id]) => [name, $(id)])), (time) => {
      this.#view.mark(time);
      this.#sayNow(time);
    });
    this.#listen();
  }

  get id() {
    return this.analysis?.id ?? null;
  }

  /** Show an analysis that has succeeded. */
  show(analysis) {
    this.leave();
    this.#looking = new AbortController();
    this.analysis = analysis;
    this.record = this.library.recordOf(analysis.id);
    this.#pictures.clear();
    const file = this.uploads.fileOf(analysis.id);
    this.#view.reset(analysis.video.duration_s);
    $("about").textContent = [this.record.name, ...this.#about].filter(Boolean).join(" · ");
    $("warnings").hidden = !analysis.warnings.length;
    $("warnings").replaceChildren(...analysis.warnings.map((text) => element("li", inPagesWords(text))));
    this.stage.show(analysis, file);
    this.#drawPeople();
    this.#drawMarkers();
    if (file) this.#takePictures(file);
    $("result-title").setAttribute("tabindex", "-1");
    $("result-title").focus();
  }

  leave() {
    this.#looking.abort();
    this.stage.clear();
    this.analysis = this.chosen = null;
  }

  #takePictures(file) {
    const onPicture = (face, canvas) => {
      this.#pictures.set(face.track, canvas);
      const { track } = this.people.find(({ tracks }) => tracks.includes(face.track));
      const chip = $("people-chips").querySelector(`[data-key="chip-${track}"]`);
      if (chip.querySelector("canvas")) return; // of an earlier appearance
      chip.querySelector("img")?.remove();
      chip.prepend(canvas);
    };
    portraits(this.analysis, file, onPicture, this.#looking.signal);
  }

  get #about() {
    const { video, models, expires_at } = this.analysis;
    const parts = [clock(video.duration_s), `${video.width} × ${video.height}`];
    if (video.fps) parts.push(`${Math.round(video.fps)}\u00a0fps`);
    parts.push(...models.map(named));
    if (expires_at) parts.push(`kept until ${written(expires_at)}`);
    return parts;
  }

  get #shown() {
    return { name: this.record.name, analysis: this.analysis, people: this.people, markers: this.record.notes.markers };
  }

  /** Change the notes as they are stored now, because another tab may have changed them; then call `draw`. */
  #note(change, draw) {
    const { signal } = this.#looking;
    const { record } = this;
    this.#noted = this.#noted.then(async () => {
      const { key, notes } = (await this.library.latest(record.key)) ?? this.library.recordOf(record.id);
      const noted = this.library.keep({ key, notes: change(notes) });
      if (signal.aborted) return; // another view is shown
      this.record = noted;
      // What a key moves the focus to must still be there when the key has done so.
      setTimeout(() => signal.aborted || draw());
    });
  }

  #drawPeople() {
    this.people = peopleOf(this.analysis.faces, this.record.notes);
    const count = this.people.length;
    const title = howMany(this.people);
    $("result-title").textContent = title;
    const least = atOnce(this.analysis.faces);
    $("appearances").hidden = !title.endsWith("appearances");
    $("appearances").textContent =
      `A face that leaves and comes back is a new appearance: these are ${least} to ${count} people. Join those of one person below.`;
    $("cards").classList.toggle("alone", !count);
    document.querySelectorAll("#cards > :not(.player)").forEach((card) => (card.hidden = !count));
    $("naming").hidden = !count;
    if (!count) {
      $("people-chips").replaceChildren();
      $("now").textContent = "";
      return;
    }
    const track = this.chosen?.track;
    this.#drawNaming();
    this.#choose(this.people.find((person) => person.tracks.includes(track)) ?? this.people[0]);
  }

  #drawChips() {
    replaceAll(
      $("people-chips"),
      this.people.map((person) => {
        const chip = button("", "", () => this.#choose(person));
        const picture = person.tracks.map((track) => this.#pictures.get(track)).find(Boolean);
        if (picture) chip.append(picture);
        else if (kept(person)) chip.append(Object.assign(element("img"), { src: kept(person), alt: "" }));
        const times = person.faces.length > 1 ? `, ${person.faces.length} appearances` : "";
        chip.append(element("span", person.name), element("small", `visible ${percent(person.coverage)} of the time${times}`));
        chip.dataset.key = `chip-${person.track}`;
        chip.setAttribute("aria-pressed", String(person === this.chosen));
        return chip;
      }),
    );
  }

  #drawNaming() {
    const people = $("naming").open ? this.people : []; // hundreds of rows take a while
    replaceAll($("naming-rows"), people.map((person) => this.#namingRow(person)), $("naming").querySelector("summary"));
  }

  #namingRow(person) {
    const line = element("li");
    const label = element("label", person.faces.length > 1 ? `Name (appearances ${person.tracks.map((track) => track + 1).join(", ")})` : `Name of person ${person.track + 1}`);
    const field = element("input");
    field.value = this.record.notes.names[person.track] ?? "";
    field.placeholder = defaultName(person.track);
    field.maxLength = 60;
    field.dataset.key = `name-${person.track}`;
    field.addEventListener("change", () => {
      this.#note((notes) => ({ ...notes, names: { ...notes.names, [person.track]: field.value.trim() } }), () => this.#drawPeople());
    });
    label.append(field);
    line.append(label);
    const joinable = (other) => other !== person && !together(person, other);
    if (this.people.some(joinable)) {
      const same = element("label", "Is the same person as");
      same.append(this.#joining(person, joinable));
      line.append(same);
    }
    if (person.faces.length > 1) {
      const apart = button("Separate again", "secondary", () => this.#note((notes) => partedNotes(notes, person), () => this.#drawPeople()));
      apart.dataset.key = `apart-${person.track}`;
      line.append(apart);
    }
    return line;
  }

  #joining(person, joinable) {
    const choice = element("select");
    choice.dataset.key = `same-${person.track}`;
    choice.append(new Option("–", ""));
    // A select of everybody in each row would be n² options, so only one that is used has them.
    const fill = () => {
      if (choice.length > 1) return;
      choice.append(...this.people.filter(joinable).map((other) => new Option(other.name, other.track)));
    };
    for (const name of ["pointerdown", "focus"]) choice.addEventListener(name, fill);
    const { faces } = this.analysis;
    choice.addEventListener("change", () => {
      const other = this.people.find(({ track }) => String(track) === choice.value);
      if (other) this.#note((notes) => joined(faces, notes, person, other), () => this.#drawPeople());
    });
    return choice;
  }

  #choose(person) {
    this.chosen = person;
    this.#drawChips();
    this.stage.select(this.people, person);
    this.charts.show(this.people, person, this.record.notes.markers);
    this.#drawSummary();
    this.#drawEvents();
    this.#drawTable();
    this.#sayNow(this.stage.now);
  }

  #jump(time, text = clock(time)) {
    const jump = button(text, "jump", () => this.stage.seek(time));
    jump.setAttribute("aria-label", `Go to ${clock(time)}`);
    return jump;
  }

  #drawSummary() {
    const { timeline, coverage } = this.chosen;
    const theme = themeOf(matchMedia("(prefers-color-scheme: dark)").matches);
    $("summary-who").textContent = `${this.chosen.name}, visible ${percent(coverage)} of the time`;
    $("shares").replaceChildren(
      ...[...shares(timeline)].map(([label, share]) => {
        const line = element("li", "", label === UNCERTAIN ? "uncertain" : "");
        line.append(element("span", capital(label)), element("span", "", "bar"), element("span", percent(share)));
        line.style.setProperty("--share", share);
        line.style.setProperty("--colour", label === UNCERTAIN ? theme.soft : theme.colourOf(label));
        return line;
      }),
    );
    $("dimension-rows").replaceChildren(
      ...["valence", "arousal"].flatMap((name) => {
        const found = dimension(timeline, name);
        if (!found) return [];
        const told = element("dd", `${signed(found.mean)} ± ${found.deviation.toFixed(2)}`);
        const peaks = element("dd", "", "peaks");
        for (const [word, { value, at_s }] of [["highest", found.highest], ["lowest", found.lowest]]) {
          const peak = element("span", `${word} ${signed(value)} at `, "peak");
          peak.append(this.#jump(at_s));
          peaks.append(peak, " ");
        }
        return [element("dt", capital(name)), told, peaks];
      }),
    );
  }

  #drawEvents() {
    const found = events(this.chosen.timeline);
    $("no-events").hidden = found.length > 0;
    const head = row("th", ["Expression", "Onset", "Peak", "Offset", "At peak"]);
    const rows = found.slice(0, ROWS_AT_MOST).map(({ label, onset_s, peak_s, offset_s, peak }) =>
      row("td", [capital(label), ...[onset_s, peak_s, offset_s].map((time) => this.#jump(time)), percent(peak)]),
    );
    if (found.length > ROWS_AT_MOST) rows.push(row("td", [`${found.length} events in total: download the table for BORIS`]));
    $("events").replaceChildren(...(found.length ? [head, ...rows] : []));
  }

  #drawMarkers() {
    replaceAll(
      $("markers"),
      this.record.notes.markers.map((marker, number) => {
        let text = marker.text; // as it is stored
        const own = (one) => one.at_s === marker.at_s && one.text === text;
        const line = element("li");
        const field = element("input");
        field.value = text;
        field.setAttribute("aria-label", `Note at ${clock(marker.at_s)}`);
        field.dataset.key = `note-${number}`;
        field.addEventListener("change", () => {
          this.#changeMarkers((all) => {
            const others = without(all, own);
            text = field.value;
            return [...others, { ...marker, text }];
          });
        });
        const away = button("Remove", "quiet", () => this.#changeMarkers((all) => without(all, own), () => this.#drawMarkers()));
        away.dataset.key = `away-${number}`;
        away.setAttribute("aria-label", `Remove the marker at ${clock(marker.at_s)}`);
        line.append(this.#jump(marker.at_s), field, away);
        return line;
      }),
      $("mark"),
    );
  }

  #changeMarkers(change, draw = () => {}) {
    const inOrder = (markers) => markers.toSorted((one, other) => one.at_s - other.at_s);
    this.#note((notes) => ({ ...notes, markers: inOrder(change(notes.markers)) }), () => {
      draw();
      if (this.chosen) this.charts.show(this.people, this.chosen, this.record.notes.markers);
    });
  }

  #mark() {
    const marker = { at_s: Number(this.stage.now.toFixed(3)), text: "" };
    this.#changeMarkers((all) => [...all, marker], () => {
      this.#drawMarkers();
      $("markers").children[this.record.notes.markers.indexOf(marker)]?.querySelector("input").focus();
    });
  }

  #drawTable() {
    const { timeline } = this.chosen;
    const scored = labelsOf(timeline);
    const dimensions = ["valence", "arousal", "dominance"].filter((name) => timeline.some((one) => one[name] !== undefined));
    const head = row("th", ["Start", "End", ...scored.map(capital), ...dimensions.map(capital), "Quality"]);
    const rows = timeline.slice(0, ROWS_AT_MOST).map((window) =>
      row("td", [
        clock(window.start_s, 2),
        clock(window.end_s, 2),
        ...scored.map((label) => (window.expression ? percent(window.expression.scores[label]) : "")),
        ...dimensions.map((name) => (window[name] === undefined ? "" : signed(window[name]))),
        window.quality === undefined ? "" : percent(window.quality),
      ]),
    );
    if (timeline.length > ROWS_AT_MOST) rows.push(row("td", [`${timeline.length} windows in total: download the CSV`]));
    $("windows").replaceChildren(head, ...rows);
  }

  #sayNow(time) {
    if (!this.chosen) return;
    const window = windowAt(this.chosen.timeline, time);
    $("now").textContent = window ? phrases(window).join(" · ") : `${this.chosen.name} is not visible at this moment`;
  }

  #report(shown) {
    return report({ ...shown, name: nameOf(this.analysis, this.record), about: this.#about.join(" · ") });
  }

  #listen() {
    $("impression").textContent = IMPRESSION;
    $("naming").addEventListener("toggle", () => this.analysis && this.#drawNaming());
    // Each is made of what is shown at the click: another result may be shown when the service answers.
    const taking = {
      json: (shown) => [JSON.stringify({ ...shown.analysis, viewer: additions(shown) }, null, 1), "json", "application/json"],
      csv: async ({ analysis, people }) => [csvWithNames(await timelineCsv(analysis.id), people), "csv", "text/csv"],
      parquet: async ({ analysis, people }) => {
        const [csv, { parquetOf }] = await Promise.all([timelineCsv(analysis.id), import("./parquet.js")]);
        return [parquetOf(csvRows(csvWithNames(csv, people))), "parquet", "application/vnd.apache.parquet"];
      },
      vtt: (shown) => [vtt(shown), "vtt", "text/vtt"],
      eaf: (shown) => [eaf(shown), "eaf", "application/xml"],
      boris: (shown) => [boris(shown), "tsv", "text/tab-separated-values"],
      report: (shown) => [this.#report(shown), "html", "text/html"],
    };
    for (const [id, made] of Object.entries(taking)) {
      $(id).addEventListener("click", async () => {
        const shown = this.#shown;
        try {
          const [content, kind, type] = await made(shown);
          save(content, fileName(shown, kind), type);
        } catch (error) {
          this.onProblem(error);
        }
      });
    }
    window.addEventListener("beforeprint", () => document.querySelectorAll("#cards details").forEach((part) => (part.open = true)));
    // A choice, a click elsewhere, leaving it by Tab or Escape closes it, as menus do.
    const close = () => {
      if ($("more").querySelector("div").contains(document.activeElement)) $("more").querySelector("summary").focus();
      $("more").open = false;
    };
    document.addEventListener("click", ({ target }) => (target.closest("#more > summary") ? null : close()));
    $("more").addEventListener("keydown", ({ key }) => key === "Escape" && close());
    $("more").addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !$("more").contains(relatedTarget) && close());
    $("annotate").hidden = !canRecord();
    $("annotate").addEventListener("click", () => this.#annotate());
    $("print").addEventListener("click", () => window.print());
    for (const head of document.querySelectorAll("[data-chart]")) {
      const { chart } = head.dataset;
      const file = (kind) => fileName(this.#shown, kind, chart);
      const take = (kind, made) => {
        const one = button(kind.toUpperCase(), "take", made);
        one.setAttribute("aria-label", `Save the chart ${TITLES[chart]} as ${kind.toUpperCase()}`);
        return one;
      };
      head.append(
        take("png", async () => {
          const name = file("png"); // another result may be shown when it is drawn
          save(await png(this.charts.svg(chart)), name);
        }),
        take("svg", () => save(this.charts.svg(chart), file("svg"), "image/svg+xml")),
      );
    }
    $("smooth").addEventListener("input", () => this.#smooth(Number($("smooth").value)));
    $("raw").addEventListener("click", () => this.#smooth(0));
    viewButtons(this.#view);
    $("mark").addEventListener("click", () => this.#mark());
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input:not([type=range]), select, textarea");
      if (event.key === "m" && this.analysis && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        this.#mark();
      }
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.chosen && this.#drawSummary());
    $("attach-file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (!file || !this.analysis) return;
      this.uploads.attach(this.id, file);
      const time = this.stage.now;
      this.stage.show(this.analysis, file);
      this.stage.select(this.people, this.chosen);
      this.stage.seek(time);
      $("play").focus(); // what was chosen with is gone
      this.#takePictures(file);
    });
  }

  async #annotate() {
    const file = this.uploads.fileOf(this.id);
    if (!file) {
      const message = "The service has erased it. Choose “Show the video from this device” below the player, then try again.";
      this.onProblem(new Problem({ title: "The video is not here", detail: message, code: "" }));
      return;
    }
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#looking.signal]);
    const shown = this.#shown;
    $("unannotate").onclick = () => stop.abort();
    $("annotated").value = 0;
    $("annotating").hidden = false;
    $("unannotate").focus();
    $("annotate").disabled = true;
    this.stage.pause();
    try {
      const video = await annotated(file, shown, { onProgress: (share) => ($("annotated").value = share), signal });
      save(video, fileName(shown, video.type.startsWith("video/mp4") ? "mp4" : "webm", "with boxes"));
    } catch (error) {
      if (!signal.aborted) this.onProblem(new Problem({ title: "The video cannot be recorded", detail: error.message, code: "" }));
    } finally {
      if (document.activeElement === $("unannotate")) $("more").querySelector("summary").focus();
      $("annotating").hidden = true;
      $("annotate").disabled = false;
    }
  }

  #smooth(seconds) {
    if (!seconds && document.activeElement === $("raw")) $("smooth").focus(); // before it is disabled
    $("smooth").value = seconds;
    $("smooth-said").textContent = seconds ? `${seconds.toFixed(1)} s` : "raw";
    $("raw").disabled = !seconds;
    this.charts.smooth(seconds);
  }
}
