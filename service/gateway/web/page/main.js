// The page: upload a video, look at its result, download or delete it.

import { Charts, mostFrequent } from "./charts.js";
import { Live } from "./live.js";
import { portraits } from "./portraits.js";
import { Recorder } from "./recorder.js";
import { download, erase, follow, key, Problem, read, recent, served, upload } from "./service.js";
import { Stage } from "./stage.js";
import { capital, clock, element, percent, person, phrases, signed, windowAt } from "./words.js";

const $ = (id) => document.getElementById(id);
const ROWS_AT_MOST = 1000;
const ANALYSIS = /^[0-9A-Z]{26}$/;
const GONE = ["not_found", "expired"];
const WITHOUT_HASH = location.pathname + location.search;

let shown = null; // the analysis that is shown
let face = null; // the face of the chosen person
let running = null; // AbortController and, once accepted, id
let looking = new AbortController(); // aborted when something else is shown

const stage = new Stage(
  {
    stage: $("stage"),
    video: $("video"),
    boxes: $("boxes"),
    scrub: $("scrub"),
    play: $("play"),
    time: $("time"),
    missing: $("no-video"),
  },
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
  box.append(element("strong", problem.title ?? "Something went wrong"), element("br"), problem.message);
  box.scrollIntoView({ block: "nearest" });
}

function askForKey() {
  $("key-form").hidden = false;
  $("key").focus();
}

async function save(kind) {
  try {
    const link = element("a");
    link.href = URL.createObjectURL(await download(shown.id, kind));
    link.download = `${shown.id}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    say(error);
  }
}

function open(name) {
  if (name !== "start") recorder.abandon();
  if (name !== "live") live.stop();
  for (const section of ["start", "live", "work", "result"]) $(section).hidden = section !== name;
  $("recent").hidden = name !== "start" || !$("recent-list").children.length;
}

async function analyse(video) {
  say(null);
  open("work");
  $("work-title").textContent = video.name ?? "Your recording";
  $("latest").textContent = "";
  running = new AbortController();
  const { signal } = running;
  $("progress").max = 1;
  try {
    $("stage-name").textContent = "Uploading…";
    const onProgress = (share) => {
      $("progress").value = share;
      $("stage-name").textContent = `Uploading: ${percent(share)}`;
    };
    const accepted = await upload(video, { signal, onProgress });
    running.id = accepted.id;
    $("progress").removeAttribute("value");
    $("stage-name").textContent = "Waiting for a worker…";
    const windows = [];
    for await (const { name, data } of follow(accepted.id, signal)) {
      if (name === "began") windows.length = 0;
      if (name === "window") {
        windows.push(data);
        $("latest").textContent = [`${person(data)} at ${clock(data.start_s)}`, ...phrases(data)].join(" · ");
      }
      if (name === "progress") sayProgress(data, windows.length);
      if (name === "ended" && data.state === "failed") throw new Problem(data.error);
      if (name === "ended" && data.state === "cancelled") return open("start");
    }
    const analysis = await read(accepted.id);
    location.hash = analysis.id;
    show(analysis, video);
  } catch (error) {
    open("start");
    if (error.name !== "AbortError") say(error);
  } finally {
    running = null;
    list();
  }
}

function sayProgress({ done_s, total_s }, windows) {
  if (total_s) {
    $("progress").max = total_s;
    $("progress").value = Math.min(done_s, total_s);
  }
  const of = total_s ? ` of ${clock(total_s)}` : "";
  const scored = windows === 1 ? "1 window scored" : `${windows} windows scored`;
  $("stage-name").textContent = `Analysing: ${clock(done_s)}${of}, ${scored}`;
}

async function cancel() {
  const { id } = running ?? {};
  running?.abort();
  if (id) await erase(id).catch(() => {});
}

function show(analysis, video) {
  $("sure").close();
  looking.abort();
  looking = new AbortController();
  shown = analysis;
  face = null;
  open("result");
  const count = analysis.faces.length;
  $("result-title").textContent = count === 1 ? "One person" : count ? `${count} people` : "No face was found";
  $("about").textContent = about(analysis, video);
  $("warnings").hidden = !analysis.warnings.length;
  $("warnings").replaceChildren(...analysis.warnings.map((text) => element("li", text)));
  stage.show(analysis, video);
  $("people").replaceChildren(...analysis.faces.map(chip));
  $("cards").classList.toggle("alone", !count);
  document.querySelectorAll("#result .card:not(.player)").forEach((card) => (card.hidden = !count));
  if (count) choose(analysis.faces[0]);
  if (video) {
    const onPicture = (one, picture) => $("people").querySelector(`[data-track="${one.track}"]`).prepend(picture);
    portraits(analysis, video, onPicture, looking.signal);
  }
  $("result-title").setAttribute("tabindex", "-1");
  $("result-title").focus();
}

function about({ video, models, expires_at }, file) {
  const parts = [clock(video.duration_s), `${video.width} × ${video.height}`];
  if (file?.name) parts.unshift(file.name);
  if (video.fps) parts.push(`${Math.round(video.fps)}\u00a0fps`);
  parts.push(...models.map(named));
  if (expires_at) parts.push(`kept until ${written(expires_at)}`);
  return parts.join(" · ");
}

const named = ({ name, version, trained }) => `${name} ${version}, ${trained ? "trained" : "not trained"}`;
const written = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

function chip(one) {
  const button = element("button");
  button.type = "button";
  button.append(element("span", person(one)), element("small", `visible ${percent(one.coverage)} of the time`));
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
  sayNow(stage.now);
}

function sayNow(time) {
  const window = face && windowAt(face.timeline, time);
  const said = window ? phrases(window) : face ? [`${person(face)} is not visible at this moment`] : [];
  $("now").textContent = said.join(" · ");
}

function verdict(one) {
  const rows = [["Visible", `${clock(one.start_s)} to ${clock(one.end_s)}, ${percent(one.coverage)} of the time`]];
  if (one.expression) {
    rows.push(["Expression", `${capital(one.expression.label)} ${percent(one.expression.scores[one.expression.label])}`]);
    const often = mostFrequent(one.timeline.map((window) => window.expression?.label));
    if (often) rows.push(["Most often", capital(often)]);
  }
  for (const name of ["valence", "arousal", "dominance"]) {
    if (one[name] !== undefined) rows.push([capital(name), signed(one[name])]);
  }
  for (const [name, value] of Object.entries(one.personality ?? {})) rows.push([capital(name), percent(value)]);
  $("verdict").replaceChildren(...rows.flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
}

function table(one) {
  const scored = Object.keys(one.timeline.find((window) => window.expression)?.expression.scores ?? {});
  const named = ["valence", "arousal", "dominance"].filter((name) => one.timeline.some((w) => w[name] !== undefined));
  const head = row("th", ["Start s", "End s", ...scored.map(capital), ...named.map(capital), "Quality"]);
  const rows = one.timeline.slice(0, ROWS_AT_MOST).map((window) =>
    row("td", [
      window.start_s.toFixed(2),
      window.end_s.toFixed(2),
      ...scored.map((label) => (window.expression ? percent(window.expression.scores[label]) : "")),
      ...named.map((name) => (window[name] === undefined ? "" : signed(window[name]))),
      window.quality === undefined ? "" : percent(window.quality),
    ]),
  );
  if (one.timeline.length > ROWS_AT_MOST) rows.push(row("td", [`${one.timeline.length} windows in total: download the CSV`]));
  $("windows").replaceChildren(head, ...rows);
}

function row(kind, cells) {
  const line = element("tr");
  line.append(
    ...cells.map((text) => {
      const cell = element(kind, text);
      if (kind === "th") cell.scope = "col";
      return cell;
    }),
  );
  return line;
}

async function remove() {
  const { id } = shown;
  $("sure").returnValue = "keep";
  $("sure").showModal();
  await new Promise((resolve) => $("sure").addEventListener("close", resolve, { once: true }));
  if ($("sure").returnValue !== "delete") return;
  try {
    await erase(id);
  } catch (error) {
    say(error);
    return;
  }
  if (shown?.id === id) leave();
  else list();
}

/** Go from a result to the start, as a new entry of the browser's history. */
function leave() {
  history.pushState(null, "", WITHOUT_HASH);
  begin();
}

function begin() {
  $("sure").close();
  looking.abort();
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
      const line = element("li");
      const look = element("button", "Open", "secondary");
      look.type = "button";
      const when = written(one.created_at);
      const text = `${when} · ${clock(one.progress.done_s)} of video`;
      look.setAttribute("aria-label", `Open the analysis of ${when}`);
      look.addEventListener("click", () => {
        if (addressed() === one.id) goWhereTheAddressSays();
        else location.hash = one.id;
      });
      line.append(element("span", text), look);
      return line;
    }),
  );
  $("recent").hidden = $("start").hidden || !analyses.length;
}

const addressed = () => location.hash.slice(1);
const busy = () => running || !$("live").hidden;

/** Show the analysis that the address names, without its video; without one, show the start. */
async function goWhereTheAddressSays() {
  const id = addressed();
  const elsewhere = id && !ANALYSIS.test(id); // an anchor of this page
  if (elsewhere || id === (shown?.id ?? "") || busy()) return;
  if (!id) return begin();
  const outdated = () => addressed() !== id || busy();
  say(null);
  try {
    const analysis = await read(id);
    if (!outdated()) show(analysis, null);
  } catch (error) {
    if (outdated()) return;
    if (GONE.includes(error.code)) history.replaceState(null, "", WITHOUT_HASH);
    begin();
    say(error);
  }
}

async function introduce() {
  try {
    const { models, workers } = await served();
    $("model").replaceChildren(
      ...models.flatMap(({ name, version, trained }) => [
        element("span", `${name} ${version}`),
        element("span", trained ? "trained" : "not trained", trained ? "badge" : "badge bad"),
      ]),
    );
    if (!models.length) $("model").textContent = workers ? "No model is served" : "No worker is running";
    $("untrained").hidden = models.every((model) => model.trained);
    const tasks = new Set(models.flatMap((model) => model.tasks));
    for (const gives of document.querySelectorAll("[data-task]")) {
      gives.hidden = models.length > 0 && !tasks.has(gives.dataset.task);
    }
    $("about-model").hidden = !models.length;
    $("about-model").replaceChildren(element("strong", "The model. "), models.map(card).join(" "));
  } catch (error) {
    say(error);
  }
}

const card = (model) =>
  [
    `${named(model)}, scores windows of ${model.window_s} s.`,
    model.trained_on && `Trained on: ${model.trained_on}`,
    `Intended use: ${model.intended_use} Licence: ${model.licence}.`,
  ]
    .filter(Boolean)
    .join(" ");

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
const recorder = new Recorder(
  {
    start: $("record"),
    ways: $("camera-ways"),
    panel: $("recording"),
    viewfinder: $("viewfinder"),
    hint: $("recorded"),
    stop: $("recorded-all"),
  },
  analyse,
  (message) => say({ title: "No camera", message }),
);
const live = new Live(
  { viewfinder: $("live-video"), scores: $("live-scores"), note: $("live-note") },
  (error) => {
    unwatch();
    say(error);
  },
);
function unwatch() {
  open("start");
  $("main").focus();
}
$("watch").addEventListener("click", () => {
  say(null);
  open("live");
  $("live-title").focus();
  live.start();
});
$("unwatch").addEventListener("click", () => {
  unwatch();
  goWhereTheAddressSays();
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set($("key").value);
  $("key").value = "";
  $("key-form").hidden = true;
  say(null);
  introduce();
  list();
  goWhereTheAddressSays();
});
$("json").addEventListener("click", () => save("json"));
$("csv").addEventListener("click", () => save("csv"));
$("stop").addEventListener("click", cancel);
$("erase").addEventListener("click", remove);
$("again").addEventListener("click", leave);
window.addEventListener("hashchange", goWhereTheAddressSays);
introduce();
list();
goWhereTheAddressSays();
