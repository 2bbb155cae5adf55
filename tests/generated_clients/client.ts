// Typed by what openapi-typescript generates from docs/openapi.json: `node client.js URL VIDEO`.

import { readFile } from "node:fs/promises";

import createClient from "openapi-fetch";

import type { paths } from "./api.js";

const [url, video] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({ baseUrl: url });

const sent = await client.POST("/analyze", {
  params: { query: { faces: 2, tasks: ["expression"] } },
  headers: { "Content-Type": "application/octet-stream" },
  body: (await readFile(video)) as unknown as string, // the types have a string for binary bodies
  bodySerializer: (body) => body,
});
if (sent.error) throw new Error(sent.error.detail);
const listed = await client.GET("/analyses", { params: { query: { state: "succeeded", limit: 1 } } });
const missing = await client.GET("/analyses/{analysis_id}", { params: { path: { analysis_id: "none" } } });
console.log(
  JSON.stringify({
    state: sent.data.state,
    labels: sent.data.faces?.map((face) => face.expression?.label),
    newest: listed.data?.analyses[0]?.id === sent.data.id,
    code: missing.error?.code,
  }),
);
