// Analyse a video with fetch, and print what each face shows. Needs Node.js 20 or later and no package.
//
//     node analyze.mjs VIDEO [URL]
import { openAsBlob } from "node:fs";

const [video, url = "http://127.0.0.1:8000"] = process.argv.slice(2);

const form = new FormData();
form.append("video", await openAsBlob(video), "video");
let answer = await fetch(`${url}/analyze`, { method: "POST", body: form });
// 202: it takes longer than a request waits; Location says where the answer will be.
while (answer.status === 202) {
  const { id } = await answer.json();
  answer = await fetch(`${url}/analyses/${id}`, { headers: { Prefer: "wait=30" } });
}
const analysis = await answer.json();
if (analysis.state !== "succeeded") {
  console.error(analysis.detail ?? analysis.error?.detail ?? `The service answered ${answer.status}.`);
  process.exit(1);
}
for (const face of analysis.faces) {
  const { track, expression, start_s, end_s, timeline } = face;
  const span = `${start_s.toFixed(2)} s to ${end_s.toFixed(2)} s`;
  console.log(`Person ${track + 1}: ${expression?.label ?? "none"}, ${span}, ${timeline.length} windows`);
}
