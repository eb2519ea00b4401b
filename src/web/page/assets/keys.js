// What the keyboard does. Keys with a modifier, and keys typed into a field, are the browser's.

import { TABS } from "./tabs.js";

/** Each key, and what it does in words. */
export const KEYS = [
  ["0 … 9", "show that replica's dataflow"],
  ["o", "overlay all replicas, and see who differs"],
  ["a", "show all operators, or those of the figure"],
  ["z", "look closely, where the graph is larger than its place, or at all of it"],
  ["d  s  c  w  m", "dataflow, slots, charts, what happened, machine"],
  ["b", "select whoever holds the frontier"],
  ["space", "hold what is shown; in a recording, play or stop"],
  ["←  →", "in a recording, a frame back or on"],
  ["t", "dark or light"],
  ["?", "this help"],
  ["Esc", "clear the selection"],
];

/** @param {any} app */
export function keys(app) {
  const open = { d: TABS[0], s: TABS[1], c: TABS[2], w: TABS[3], m: TABS[4] };
  const other = {
    o: () => app.overlay(!app.ui.everyone),
    a: () => app.showAll(!app.ui.all),
    z: () => app.approach(!app.ui.close),
    b: () => app.selectHolder(),
    t: () => app.theme.toggle(),
    " ": () => app.pause(),
    "?": () => app.help.toggle(),
    Escape: () => app.select(null),
    ArrowLeft: () => app.source.stride?.(false),
    ArrowRight: () => app.source.stride?.(true),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    if (target instanceof HTMLElement && target.closest("input, select, textarea, dialog[open]")) return;
    // A focused button is pressed by space; that must not hold the page, too.
    if (event.key === " " && target instanceof Element && target.closest("button, [role=button]")) return;
    if (open[event.key]) app.open(open[event.key]);
    else if (/^[0-9]$/.test(event.key)) app.choose(Number(event.key));
    else if (other[event.key]) other[event.key]();
    else return;
    if (event.key === " ") event.preventDefault();
  });
}
