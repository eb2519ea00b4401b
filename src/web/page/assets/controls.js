// Tabs, the keyboard, and the help that explains the keys and the signs.

import { at, el, set } from "./dom.js";

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

/** Each key, and what it does in words. */
const KEYS = [
  ["0 … 9", "show that replica's dataflow"],
  ["o", "overlay all replicas, and see who differs"],
  ["a", "show all operators, or those of the figure"],
  ["z", "zoom in where the graph is larger than its place, or show all of it"],
  ["d  s  c  w  m", "dataflow, slots, charts, what happened, machine"],
  ["b", "select whoever holds the frontier"],
  ["space", "pause what is shown; in a recording, play or stop"],
  ["←  →", "in a recording, a frame back or on"],
  ["t", "dark or light"],
  ["?", "this help"],
  ["Esc", "clear the selection"],
];

/**
 * Keys with a modifier, and keys typed into a field, are the browser's.
 * @param {any} app
 */
export function keys(app) {
  const open = { d: TABS[0], s: TABS[1], c: TABS[2], w: TABS[3], m: TABS[4] };
  const other = {
    o: () => app.show({ everyone: !app.ui.everyone, tab: TABS[0] }),
    a: () => app.show({ all: !app.ui.all, tab: TABS[0] }),
    z: () => app.show({ close: !app.ui.close }),
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

const SIGNS = [
  ["◆ ◇ ○ ◌ ✕", "leader; candidate, which still learns what earlier views have left; follower; leader of a view that others have left; silent"],
  ["bar, tick", "how far a replica has executed; its stable checkpoint. All bars share one scale."],
  ["single line", "a stream inside the replica"],
  ["double line", "messages over links to other replicas"],
  ["dashed line", "a back edge, inside the replica"],
  ["shade, %", "the share of its time in which an operator ran, over the last ten seconds"],
  ["dashed box", "an operator in the chain from what waits to what holds it"],
  ["holds slot N", "the operator that keeps the frontier of execution at slot N"],
  ["≠", "in the overlay: a replica that differs markedly from the others there"],
];

export function help() {
  const dialog = /** @type {HTMLDialogElement} */ (at("help"));
  const row = ([sign, meaning]) => [el("dt", { text: sign }), el("dd", { text: meaning })];
  dialog.append(
    el("h2", { id: "help-title", text: "Keys" }),
    el("dl", {}, ...KEYS.flatMap(row)),
    el("h2", { text: "Signs" }),
    el("dl", {}, ...SIGNS.flatMap(row)),
    el("p", { class: "close" }, el("button", { type: "button", text: "Close", onclick: () => dialog.close() })),
  );
  const toggle = () => (dialog.open ? dialog.close() : dialog.showModal());
  at("help-open").addEventListener("click", toggle);
  dialog.addEventListener("keydown", (event) => event.key === "?" && toggle());
  return { toggle };
}
