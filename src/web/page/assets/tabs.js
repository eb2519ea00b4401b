// One view at a time, chosen by tabs or by their keys.

import { at, set } from "./dom.js";

export const TABS = ["dataflow", "slots", "charts", "story", "machine"];

/** @param {any} app */
export function tabs(app) {
  const buttons = TABS.map((tab) => at(`tab-${tab}`));
  buttons.forEach((button, place) => {
    button.addEventListener("click", () => app.open(TABS[place]));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (place + step + TABS.length) % TABS.length;
      buttons[next].focus();
      app.open(TABS[next]);
      event.preventDefault();
    });
  });

  function draw() {
    TABS.forEach((tab, place) => {
      const chosen = app.ui.tab === tab;
      set(buttons[place], "aria-selected", String(chosen));
      set(buttons[place], "tabindex", chosen ? "0" : "-1");
      at(tab).hidden = !chosen;
    });
  }

  return { draw };
}
