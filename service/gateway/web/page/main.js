// The page: show the view of the address, and accept videos.

import { Compare } from "./compare.js";
import { $, element } from "./dom.js";
import { videosIn, videosOf } from "./dropped.js";
import { Library } from "./library.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { Recorder } from "./recorder.js";
import { named, Result } from "./result.js";
import { erase, key, limits, needsKey, Problem, read, served, underWay } from "./service.js";
import { StatusLine } from "./statusline.js";
import { Uploads } from "./uploads.js";
import { Working } from "./working.js";

const ANALYSES = /^[0-9A-Z]{26}(,[0-9A-Z]{26})*$/;
const DELETED = { title: "The analysis was deleted", detail: "Somebody deleted it while it was running: perhaps you, in another tab.", code: "" };
const GONE = {
  title: "There is no such analysis",
  detail: "Results are erased after a while, or when somebody deletes them. Check the address, or choose the video again.",
  code: "",
};
const WITHOUT_HASH = location.pathname + location.search;

const library = new Library();
await library.load();
const uploads = new Uploads(library);
const result = new Result({ uploads, library, onProblem: say });
const compare = new Compare({ uploads, library });
const working = new Working({
  uploads,
  library,
  onSent: (id) => {
    location.hash = id;
    working.watch(id);
  },
  onEnded: (id, { state, error }) => {
    list.refresh();
    if (state === "succeeded") lookAt([id]);
    else fail(new Problem(state === "failed" ? error : DELETED));
  },
  onProblem: fail,
  onCancelled: leave,
});
uploads.addEventListener("paused", ({ detail }) => say(detail));
const list = new List({
  uploads,
  library,
  onOpen: goTo,
  onCompare: (ids) => goTo(ids.join(",")),
  onProblem: say,
});

function say(problem) {
  const box = $("alert");
  const locked = problem?.code === "key_required";
  if (problem && needsKey(problem)) askForKey();
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

function open(name) {
  if (name !== "start") recorder.abandon();
  if (name !== "live") live.stop();
  if (name !== "work") working.leave();
  if (name !== "result") result.leave();
  if (name !== "several") compare.leave();
  $("sure").close();
  for (const section of ["start", "live", "work", "result", "several"]) $(section).hidden = section !== name;
  $("recent").hidden = name !== "start" || list.empty;
}

/** Upload videos; one is watched, several are listed. */
function analyse(videos) {
  say(null);
  const [first, ...more] = uploads.add(videos, Number($("faces").value) || null);
  if (!first) {
    say({ title: "No video", message: "None of these files is a video. Drop MP4, MOV, 3GP, MKV, WebM or AVI." });
  } else if (more.length) {
    list.refresh();
    $("recent-title").focus();
  } else {
    open("work");
    working.watchUpload(first);
  }
}

/** Go to an address, as a new entry of the browser's history. */
function goTo(address) {
  if (addressed() === address) goWhereTheAddressSays();
  else location.hash = address;
}

function fail(problem) {
  begin();
  say(problem);
}

/** Go to the start, as a new entry of the browser's history. */
function leave() {
  if (addressed()) history.pushState(null, "", WITHOUT_HASH);
  begin();
}

function begin() {
  open("start");
  list.refresh();
  if (!$("no-worker").hidden) introduce(); // one may run by now
  $("main").focus();
}

const addressed = () => location.hash.slice(1);
const current = () => working.id ?? result.id ?? compare.ids.join(",");
const busy = () => !$("live").hidden || (working.active && !working.id);

/** Show the analyses that the address names; without one, show the start. */
async function goWhereTheAddressSays() {
  const address = addressed();
  const elsewhere = address && !ANALYSES.test(address); // an anchor of this page
  if (elsewhere || address === current() || busy()) return;
  if (!address) begin();
  else await lookAt(address.split(","));
}

async function lookAt(ids) {
  const address = ids.join(",");
  const outdated = () => addressed() !== address || busy();
  say(null);
  try {
    const analyses = await Promise.all(ids.map(read));
    await library.load(); // another tab may have changed the notes
    if (outdated()) return;
    const failed = analyses.find((one) => one.error);
    if (failed) throw new Problem(failed.error);
    const [first] = analyses;
    if (ids.length > 1) {
      if (analyses.some(underWay)) {
        throw new Problem({ title: "Not all of these have ended", detail: "Compare them when all are done.", code: "" });
      }
      open("several");
      compare.show(analyses);
    } else if (underWay(first)) {
      open("work");
      working.watch(first.id);
    } else {
      open("result");
      result.show(first);
    }
  } catch (error) {
    if (outdated()) return;
    const gone = ["not_found", "expired"].includes(error.code);
    if (gone) history.replaceState(null, "", WITHOUT_HASH);
    fail(gone ? new Problem(GONE) : error);
  }
}

async function remove() {
  const { id } = result;
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
  uploads.forget(id);
  if (result.id === id) leave();
  else list.refresh();
}

async function introduce() {
  try {
    const { models: listed, workers } = await served();
    const models = [...new Map(listed.map((model) => [model.sha256, model])).values()]; // once, not for each precision
    $("model").replaceChildren(
      ...models.flatMap(({ name, version, trained, trained_on }) => {
        const on = trained && trained_on ? element("span", `Trained on ${trained_on}`, "trained-on") : element("span", trained ? "" : "not trained", "badge bad");
        on.title = trained_on ?? "";
        on.hidden = !on.textContent;
        return [element("span", `${name} ${version}`), on];
      }),
    );
    if (!models.length) $("model").textContent = workers ? "No model is served" : "No worker is running";
    $("no-worker").hidden = workers > 0;
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

async function sayLimits() {
  const { upload_max_bytes } = await limits();
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log(upload_max_bytes) / Math.log(1024)));
  $("limits").textContent = `Up to ${Number((upload_max_bytes / 1024 ** power).toPrecision(3))} ${units[power]} each.`;
}

async function trySample() {
  try {
    const answer = await fetch("page/sample.mp4");
    analyse([new File([await answer.blob()], "sample.mp4", { type: "video/mp4" })]);
  } catch {
    say({ title: "The sample cannot be loaded", message: "Check that you are online, then try again." });
  }
}

for (const id of ["file", "folder"]) {
  $(id).addEventListener("change", ({ target }) => {
    const files = [...target.files];
    target.value = "";
    // A single file is uploaded whatever its name.
    if (files.length) analyse(id === "file" ? files : videosOf(files));
  });
}
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, async (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name !== "drop" || $("start").hidden || !event.dataTransfer.items.length) return;
    analyse(await videosIn(event.dataTransfer));
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
    cancel: $("recorded-none"),
  },
  (video) => analyse([video]),
  (message) => say({ title: "No camera", message }),
);
const live = new Live(
  { viewfinder: $("live-video"), boxes: $("live-boxes"), scores: $("live-scores"), note: new StatusLine($("live-note"), $("live-spoken")), history: $("live-history") },
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
  $("main").focus();
  $("key-form").hidden = true;
  say(null);
  introduce();
  uploads.unpause();
  list.refresh();
  goWhereTheAddressSays();
});
$("sample").addEventListener("click", trySample);
$("erase").addEventListener("click", remove);
for (const id of ["again", "background", "uncompare"]) $(id).addEventListener("click", leave);
window.addEventListener("hashchange", goWhereTheAddressSays);
introduce();
sayLimits().catch(() => {});
uploads.resume();
list.refresh();
goWhereTheAddressSays();
