// The page: a video goes in, its result is looked at, downloaded, deleted.

import { Charts, mostFrequent } from "./charts.js";
import { Live } from "./live.js";
import { Recorder } from "./recorder.js";
import { download, erase, follow, key, Problem, read, recent, served, upload } from "./service.js";
import { Stage } from "./stage.js";
import { capital, clock, percent, person, signed, windowAt } from "./words.js";

const $ = (id) => document.getElementById(id);
const ROWS_AT_MOST = 1000;

let shown = null; // the analysis that is looked at
let face = null; // the person
let running = null; // AbortController and, once accepted, id

const stage = new Stage(
  { stage: $("stage"), video: $("video"), boxes: $("boxes"), scrub: $("scrub"), row: $("scrub-row") },
  (time) => {
    charts.moment(time);
    sayNow(time);
  },
);
const charts = new Charts(
  { expression: $("expression"), dimensions: $("dimensions"), plane: $("plane"), traits: $("traits") },
  (time) => stage.seek(time),
);

function say(problem) {
  const box = $("alert");
  const locked = problem?.code === "key_required";
  if (locked || problem?.code === "key_refused") askForKey();
  box.hidden = !problem || locked;
  box.replaceChildren();
  if (!problem) return;
  const title = document.createElement("strong");
  title.textContent = problem.title ?? "That did not work";
  box.append(title, document.createElement("br"), problem.message);
  box.scrollIntoView({ block: "nearest" });
}

function askForKey() {
  $("key-form").hidden = false;
  $("key").focus();
}

async function save(kind) {
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await download(shown.id, kind));
    link.download = `${shown.id}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    say(error);
  }
}

function open(name) {
  for (const section of ["start", "live", "work", "result"]) $(section).hidden = section !== name;
  $("recent").hidden = name !== "start" || !$("recent-list").children.length;
}

async function analyse(video) {
  say(null);
  open("work");
  running = new AbortController();
  const { signal } = running;
  $("progress").max = 1;
  try {
    $("stage-name").textContent = "Uploading…";
    const accepted = await upload(video, { signal, onProgress: (share) => ($("progress").value = share) });
    running.id = accepted.id;
    $("progress").removeAttribute("value");
    $("stage-name").textContent = "Waiting for a worker…";
    const windows = [];
    for await (const { name, data } of follow(accepted.id, signal)) {
      if (name === "began") windows.length = 0;
      if (name === "window") windows.push(data);
      if (name === "progress") onProgress(data, windows.length);
      if (name === "ended" && data.state === "failed") throw new Problem(data.error);
      if (name === "ended" && data.state === "cancelled") return open("start");
    }
    show(await read(accepted.id), video);
  } catch (error) {
    open("start");
    if (error.name !== "AbortError") say(error);
  } finally {
    running = null;
    list();
  }
}

function onProgress({ done_s, total_s }, windows) {
  if (total_s) {
    $("progress").max = total_s;
    $("progress").value = Math.min(done_s, total_s);
  }
  const of = total_s ? ` of ${clock(total_s)}` : "";
  $("stage-name").textContent = `Analysing: ${clock(done_s)}${of}, ${windows} windows scored`;
}

async function cancel() {
  const { id } = running ?? {};
  running?.abort();
  if (id) await erase(id).catch(() => {});
}

function show(analysis, video) {
  shown = analysis;
  open("result");
  const count = analysis.faces.length;
  $("result-title").textContent = count === 1 ? "One person" : count ? `${count} people` : "No face was found";
  $("warnings").hidden = !analysis.warnings.length;
  $("warnings").replaceChildren(...analysis.warnings.map((text) => item("li", text)));
  stage.show(analysis, video);
  $("people").replaceChildren(...analysis.faces.map(chip));
  document.querySelectorAll("#result .card:not(.player)").forEach((card) => (card.hidden = !count));
  if (count) choose(analysis.faces[0]);
  $("result-title").setAttribute("tabindex", "-1");
  $("result-title").focus();
}

function chip(one) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `${person(one)} · seen ${percent(one.coverage)}`;
  button.dataset.track = one.track;
  button.addEventListener("click", () => choose(one));
  return button;
}

function choose(one) {
  face = one;
  for (const button of $("people").children) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.track) === one.track));
  }
  $("verdict-card").hidden = false;
  $("windows").closest("details").hidden = false;
  stage.select(one.track);
  charts.show(one, [0, shown.video.duration_s]);
  verdict(one);
  table(one);
  sayNow(stage.time);
}

function sayNow(time) {
  const window = face && windowAt(face.timeline, time);
  const parts = [clock(time)];
  if (window?.expression) {
    const { label, scores } = window.expression;
    parts.push(`${capital(label)} ${percent(scores[label])}`);
  }
  if (window?.valence !== undefined) parts.push(`valence ${signed(window.valence)}`, `arousal ${signed(window.arousal)}`);
  if (face && !window) parts.push(`${person(face)} is not seen`);
  $("now").textContent = parts.join(" · ");
}

function verdict(one) {
  const rows = [["Seen", `${clock(one.start_s)} to ${clock(one.end_s)}, ${percent(one.coverage)} of the time`]];
  if (one.expression) {
    rows.push(["Expression", `${capital(one.expression.label)} ${percent(one.expression.scores[one.expression.label])}`]);
    const often = mostFrequent(one.timeline.map((window) => window.expression?.label));
    if (often) rows.push(["Most often", capital(often)]);
  }
  for (const name of ["valence", "arousal", "dominance"]) {
    if (one[name] !== undefined) rows.push([capital(name), signed(one[name])]);
  }
  for (const [name, value] of Object.entries(one.personality ?? {})) rows.push([capital(name), percent(value)]);
  $("verdict").replaceChildren(...rows.flatMap(([term, text]) => [item("dt", term), item("dd", text)]));
}

function table(one) {
  const scored = Object.keys(one.timeline.find((window) => window.expression)?.expression.scores ?? {});
  const named = ["valence", "arousal", "dominance"].filter((name) => one.timeline.some((w) => w[name] !== undefined));
  const head = row("th", ["Start s", "End s", ...scored.map(capital), ...named.map(capital)]);
  const rows = one.timeline.slice(0, ROWS_AT_MOST).map((window) =>
    row("td", [
      window.start_s.toFixed(2),
      window.end_s.toFixed(2),
      ...scored.map((label) => percent(window.expression?.scores[label] ?? 0)),
      ...named.map((name) => signed(window[name])),
    ]),
  );
  if (one.timeline.length > ROWS_AT_MOST) rows.push(row("td", [`… ${one.timeline.length} in all: see the CSV`]));
  $("windows").replaceChildren(head, ...rows);
}

function row(kind, cells) {
  const line = document.createElement("tr");
  line.append(
    ...cells.map((text) => {
      const cell = item(kind, text);
      if (kind === "th") cell.scope = "col";
      return cell;
    }),
  );
  return line;
}

function item(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

async function remove() {
  try {
    await erase(shown.id);
  } catch (error) {
    say(error);
    return;
  }
  leave();
}

function leave() {
  stage.clear();
  shown = face = null;
  open("start");
  list();
  $("main").focus();
}

async function list() {
  const { analyses } = await recent().catch(() => ({ analyses: [] }));
  $("recent-list").replaceChildren(
    ...analyses.map((one) => {
      const line = document.createElement("li");
      const look = item("button", "Open");
      look.type = "button";
      look.className = "secondary";
      const when = new Date(one.created_at).toLocaleString();
      const text = `${when} · ${clock(one.progress.done_s)} of video`;
      look.setAttribute("aria-label", `Open the analysis of ${when}`);
      look.addEventListener("click", () => read(one.id).then((analysis) => show(analysis, null), say));
      line.append(item("span", text), look);
      return line;
    }),
  );
  $("recent").hidden = $("start").hidden || !analyses.length;
}

async function introduce() {
  try {
    const { models, workers } = await served();
    const names = models.map((model) => `${model.name} ${model.version}${model.trained ? "" : ", not trained"}`);
    $("model").textContent = names.join(" · ") || (workers ? "No model is served" : "No worker is running yet");
    $("untrained").hidden = models.every((model) => model.trained);
  } catch (error) {
    say(error);
  }
}

$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) analyse(file);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    const [file] = (name === "drop" && event.dataTransfer.files) || [];
    if (file && !$("start").hidden) analyse(file);
  });
}
new Recorder(
  { button: $("record"), viewfinder: $("viewfinder"), hint: $("recording") },
  analyse,
  (message) => say({ title: "No camera", message }),
);
const live = new Live(
  { viewfinder: $("live-video"), scores: $("live-scores"), note: $("live-note") },
  (error) => {
    open("start");
    if (error) say(error);
    $("main").focus();
  },
);
$("watch").addEventListener("click", () => {
  say(null);
  open("live");
  $("live-title").focus();
  live.start();
});
$("unwatch").addEventListener("click", () => live.stop());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set($("key").value);
  $("key").value = "";
  $("key-form").hidden = true;
  say(null);
  introduce();
  list();
});
$("json").addEventListener("click", () => save("json"));
$("csv").addEventListener("click", () => save("csv"));
$("stop").addEventListener("click", cancel);
$("erase").addEventListener("click", remove);
$("again").addEventListener("click", leave);
introduce();
list();
