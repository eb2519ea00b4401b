// What happened, in words.

import { at, el, refill } from "./dom.js";
import { tint } from "./replicas.js";

/** Lines drawn, and lines beside the graph. */
const DRAWN = 200;
const LATELY = 6;

const SIGNS = { suspected: "?", entered_view: "→", leads: "◆", diverged: "✖", installed: "⇣", started: "▲", fault: "ϟ" };

/** @param {any} app */
export function storyView(app) {
  function draw() {
    const { story } = app.store;
    const { tab, routine } = app.ui;
    if (tab === "dataflow") fill(at("lately"), story.latest(LATELY, false), "Nothing but ordinary work.");
    if (tab === "story") fill(at("events"), story.latest(DRAWN, routine), "Nothing has happened since this page was opened.");
  }

  function fill(place, items, none) {
    refill(place, JSON.stringify(items), () => {
      if (items.length === 0) return [el("li", { class: "empty", text: none })];
      return lines(app, items);
    });
  }

  return { draw };
}

/** A line for each thing that happened. */
export function lines(app, items) {
  return items.map(({ replica, at: when, kind, text, routine }) =>
    el(
      "li",
      { class: replica === null ? null : tint(replica), "data-routine": routine, "data-fault": kind === "fault" },
      el("time", { text: app.moment(when) }),
      el("span", { class: "sign", "aria-hidden": "true", text: SIGNS[kind] ?? "·" }),
      el("span", {}, replica === null ? null : el("b", { text: `replica ${replica} ` }), text),
    ),
  );
}
