// The buttons that move the part of the time that charts show.

import { $ } from "./dom.js";

const ACTIONS = {
  "zoom-in": (view) => view.scale(0.5),
  "zoom-out": (view) => view.scale(2),
  earlier: (view) => view.shift(-0.5),
  later: (view) => view.shift(0.5),
  whole: (view) => view.whole(),
};

/** Let the buttons with these ids, each after a prefix, steer a view. All but the first need a part that is zoomed. */
export function viewButtons(view, prefix = "") {
  for (const [id, act] of Object.entries(ACTIONS)) {
    const button = $(prefix + id);
    button.addEventListener("click", () => act(view));
    if (id === "zoom-in") continue;
    view.addEventListener("span", () => {
      if (!view.zoomed && document.activeElement === button) $(`${prefix}zoom-in`).focus(); // before it is disabled
      button.disabled = !view.zoomed;
    });
  }
}
