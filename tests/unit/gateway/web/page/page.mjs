// The page's scripts, for the tests beside this file.

export const page = (name) => import(new URL(`../../../../../service/gateway/web/page/${name}.js`, import.meta.url));

/** A window of `length` seconds from `start_s` on, with the probability of happiness; the rest is neutral. */
export const happy = (start_s, happiness, more = {}, length = 1) => ({
  start_s,
  end_s: start_s + length,
  expression: { label: happiness >= 0.5 ? "happiness" : "neutral", scores: { happiness, neutral: 1 - happiness } },
  ...more,
});
