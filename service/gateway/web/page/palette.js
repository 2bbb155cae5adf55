// The colours of expressions and dimensions, which people with deuteranopia and protanopia tell apart too.

export const COLOURS = {
  light: {
    expressions: {
      happiness: "#e0a107",
      surprise: "#da6113",
      neutral: "#98a0b5",
      sadness: "#3b78d9",
      fear: "#75489c",
      anger: "#bf2c10",
      disgust: "#35996a",
      contempt: "#6a645e",
    },
    dimensions: { valence: "#1d6fb8", arousal: "#c2500a" },
    rest: { ink: "#1b1d29", soft: "#565b70", card: "#ffffff", line: "#b9bccb", grid: "#e4e6ef", accent: "#4f46c8" },
  },
  dark: {
    expressions: {
      happiness: "#fbe688",
      surprise: "#e28014",
      neutral: "#96aed1",
      sadness: "#6897ff",
      fear: "#9a7db9",
      anger: "#d26a71",
      disgust: "#afcf37",
      contempt: "#b9b28d",
    },
    dimensions: { valence: "#6db8ff", arousal: "#ffa15c" },
    rest: { ink: "#eceef8", soft: "#aeb3c8", card: "#1b1d27", line: "#4a4e63", grid: "#2b2e3d", accent: "#a9a3ff" },
  },
};

const LABELS = Object.keys(COLOURS.light.expressions);

/** Return labels in the order in which they stand in charts; unknown ones last. */
export const inOrder = (labels) => {
  const place = (label) => (LABELS.includes(label) ? LABELS.indexOf(label) : LABELS.length);
  return [...labels].sort((one, other) => place(one) - place(other));
};

/** Return the colours of a theme: ink, soft, card, line, grid, accent, and `colourOf` a label or dimension. */
export function themeOf(dark) {
  const { expressions, dimensions, rest } = COLOURS[dark ? "dark" : "light"];
  return { ...rest, colourOf: (label) => expressions[label] ?? dimensions[label] ?? expressions.contempt };
}
