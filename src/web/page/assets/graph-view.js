// The graph of a replica as its worker built it, with what flows through it now.

import { differences, holdingOf, stallerOf, workOf } from "./differs.js";
import { at, el, refill, say, set, svg } from "./dom.js";
import { FRESH, tint } from "./replicas.js";
import { makeWire, updateWire } from "./wires.js";
import { ago, count, exact, lasting, names, percent } from "./words.js";

/** How large the picture is at most, and as it is looked at closely; what is smaller is hard to read. */
const SCALE = { close: 0.78, most: 1.25 };
/** Room above the first operator for what it may hold. */
const HEADROOM = 6;
/** Pixels around the picture; those that what stands beside it takes there, or below it; and of a small window. */
const MARGIN = 6;
const ASIDE = { beside: 296, below: 230 };
const SMALL = 1060;
/** So much larger the picture has to become for what stands beside it to move. */
const WORTH = 1.15;

/** @param {any} app */
export function graphView(app) {
  const place = at("graph");
  const panel = at("dataflow");
  let pictures = null;
  let [asked, answered] = [false, false];
  let drawn = null;

  function draw() {
    if (!asked) fetchPictures();
    const picture = pictures?.[app.ui.all ? "all" : "figure"];
    if (!picture) {
      const text = answered ? "This node has no graph of it." : "The graph is being fetched.";
      refill(place, text, () => [el("p", { class: "empty", text })]);
      return;
    }
    if (drawn?.picture !== picture) {
      drawn = build(app, picture);
      place.replaceChildren(drawn.root);
    }
    set(panel, "data-stacked", isRoomier(picture, panel) || null);
    fit(drawn, place, app.ui.close);
    set(place, "data-silent", silentFor(app) === null ? null : true);
    const frames = app.frames();
    for (const wire of drawn.wires) updateWire(wire, frames, app.ui.operator);
    const work = workOf(frames);
    for (const node of drawn.nodes) updateNode(node, app, frames, work);
  }

  /** Looks at a point closely, or at all of it again. */
  function approach(event) {
    const box = drawn?.root.getBoundingClientRect();
    if (!box) return;
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    app.show({ close: !app.ui.close });
    fit(drawn, place, app.ui.close);
    const { clientWidth, clientHeight } = place;
    place.scrollTo(share[0] * place.scrollWidth - clientWidth / 2, share[1] * place.scrollHeight - clientHeight / 2);
  }
  place.addEventListener("dblclick", approach);

  async function fetchPictures() {
    asked = true;
    pictures = await app.source.graph();
    answered = true;
    // A node that is still starting may answer later.
    if (!pictures) setTimeout(() => ((asked = false), app.changed()), 2000);
    app.changed();
  }

  return { draw, tab: "dataflow" };
}

/** For how long the replica whose graph is shown has been silent, in milliseconds; nothing if it is not. */
function silentFor(app) {
  const sighting = app.ui.everyone ? null : app.store.shown.get(app.ui.replica ?? 0);
  if (!sighting?.frame) return null;
  const age = Math.max(app.source.now() - sighting.arrived, 0);
  return sighting.silence || age > FRESH ? age : null;
}

function build(app, picture) {
  const wires = picture.nets.map(makeWire);
  const nodes = picture.nodes.map((node) => makeNode(app, node, picture.node_height));
  const root = svg(
    "svg",
    { viewBox: `0 ${-HEADROOM} ${picture.width} ${picture.height + HEADROOM}`, role: "group" },
    ...wires.map((wire) => wire.root),
    ...wires.flatMap((wire) => wire.labels),
    ...nodes.map((node) => node.root),
  );
  return { picture, root, wires, nodes };
}

/** Whether a picture that is hard to read gets larger when what stands beside it goes below it. */
function isRoomier(picture, { clientWidth, clientHeight }) {
  const scale = (width, height) => Math.min(width / picture.width, height / picture.height);
  const beside = scale(clientWidth - ASIDE.beside, clientHeight);
  // In a small window it is below in any case.
  return innerWidth > SMALL && beside < SCALE.close && scale(clientWidth, clientHeight - ASIDE.below) > beside * WORTH;
}

/** Makes the picture as large as its place, so that nothing is cut, or larger if it is looked at closely. */
function fit({ root, picture }, place, close) {
  const { clientWidth, clientHeight } = place;
  const wanted = Math.min((clientWidth - MARGIN) / picture.width, (clientHeight - MARGIN) / (picture.height + HEADROOM));
  const scale = Math.min(close ? Math.max(wanted, SCALE.close) : wanted, SCALE.most);
  set(root, "width", (picture.width * scale).toFixed(0));
  set(root, "height", ((picture.height + HEADROOM) * scale).toFixed(0));
}

function makeNode(app, node, height) {
  const { name, kind, x, y, width } = node;
  const [left, top] = [x - width / 2, y - height / 2];
  const box = { x: left, y: top, width, height, rx: kind === "door" ? height / 2 : 6 };
  const figures = svg("text", { class: "figures", x, y: y + 12 });
  const cells = svg("g", { class: "cells" });
  const flag = svg("g", { class: "flag" });
  const choose = () => app.select(app.ui.operator === name ? null : name);
  const onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    choose();
    event.preventDefault();
  };
  const heat = svg("rect", { class: "heat", ...box });
  const hint = svg("title", { text: name });
  const root = svg(
    "g",
    { class: `node ${kind}`, "data-operator": name, tabindex: 0, role: "button", onclick: choose, onkeydown },
    hint,
    svg("rect", { class: "box", ...box }),
    heat,
    svg("text", { class: "name", x, y: y - 2, text: name }),
    figures,
    cells,
    flag,
  );
  return { name, root, hint, heat, figures, cells, flag, x, top, width, y };
}

function updateNode(node, app, frames, work) {
  const { name } = node;
  const { ui } = app;
  const operators = frames.map((frame) => frame.operators.find((operator) => operator.name === name));
  const known = operators.filter(Boolean);
  const busy = Math.max(0, ...known.map(work.share));
  node.heat.style.fillOpacity = (Math.sqrt(busy) * 0.62).toFixed(3);
  set(node.root, "aria-pressed", String(ui.operator === name));
  const rate = (operator) => `${count(Math.max(operator.rateIn, operator.rateOut))}/s`;
  const alone = !ui.everyone && known[0];
  const figures = [work.timed ? percent(alone?.busy ?? 0) : "", alone ? rate(alone) : ""];
  say(node.figures, alone ? figures.filter(Boolean).join(" · ") : "");
  const differing = ui.everyone ? differences(frames, name) : [];
  set(node.root, "data-differs", differing.length > 0 || null);
  drawCells(node, ui.everyone ? frames : [], operators, differing);
  const holders = frames.filter((frame) => stallerOf(frame)?.operator === name);
  drawFlag(node, holders, ui.everyone);
  set(node.root, "data-waits", frames.some((frame) => isBlamed(frame, name)) || null);
  const words = alone ? `${percent(alone.busy)} busy, ${rate(alone)}` : differing.map(inWords).join("; ");
  const holds = flagText(holders, ui.everyone);
  const all = [name, words, holds].filter(Boolean).join(", ");
  set(node.root, "aria-label", all);
  say(node.hint, all);
}

function inWords({ replica, why }) {
  return `replica ${replica} differs in ${why}`;
}

/** A cell for each replica: its busy share, as a bar and as a number. */
function drawCells(node, frames, operators, differing) {
  const key = frames.map((frame, at) => {
    const operator = operators[at];
    const differs = differing.some(({ replica }) => replica === frame.replica);
    return `${frame.replica}:${operator ? percent(operator.busy) : ""}:${differs}`;
  });
  refill(node.cells, key.join(" "), () => {
    const step = (node.width - 16) / Math.max(frames.length, 1);
    return frames.map((frame, at) => {
      const operator = operators[at];
      const left = node.x - node.width / 2 + 8 + at * step;
      const differs = differing.some(({ replica }) => replica === frame.replica);
      const number = operator ? percent(operator.busy).replace(" %", "") : "–";
      const text = step >= 24 ? `${differs ? "≠" : ""}${number}` : differs ? "≠" : "";
      const wide = (operator?.busy ?? 0) * (step - 4);
      const y = node.y + 4;
      return svg(
        "g",
        { class: `cell ${tint(frame.replica)}`, "data-differs": differs },
        svg("rect", { class: "ground", x: left + 1, y: y + 9, width: step - 3, height: 3, rx: 1.5 }),
        svg("rect", { class: "share", x: left + 1, y: y + 9, width: Math.max(wide, 0), height: 3, rx: 1.5 }),
        svg("text", { x: left + step / 2 - 0.5, y: y + 7, text }),
      );
    });
  });
}

/** Marks the operator that holds the frontier, and the slot at which it does. */
function drawFlag(node, holders, everyone) {
  set(node.root, "data-holds", holders.length > 0 || null);
  const text = flagText(holders, everyone);
  refill(node.flag, text, () => {
    if (text === "") return [];
    const width = text.length * 6.1 + 14;
    return [
      svg("rect", { x: node.x - width / 2, y: node.top - 11.5, width, height: 14.5, rx: 3 }),
      svg("text", { x: node.x, y: node.top - 0.5, text }),
    ];
  });
}

/** Whether an operator is in the chain from what waits to what holds it. */
function isBlamed(frame, name) {
  if (!stallerOf(frame)) return false;
  return frame.blame.some((link) => link.operator === name && (link.replica ?? frame.replica) === frame.replica);
}

/** Which slot is held here; in the overlay by whom, and where they are at the same slot at which. */
function flagText(holders, everyone) {
  if (holders.length === 0) return "";
  const slots = new Set(holders.map(heldSlot));
  const what = slots.size > 1 || slots.has(null) ? "" : ` slot ${[...slots][0]}`;
  if (!everyone) return `holds${what}`;
  return `${names(holders.map((frame) => frame.replica))} hold${holders.length === 1 ? "s" : ""}${what}`;
}

function heldSlot(frame) {
  const link = stallerOf(frame);
  return link.slot ?? holdingOf(frame, link.operator)?.slot ?? null;
}

/**
 * The switches above the graph.
 * @param {any} app
 */
export function graphSwitches(app) {
  const place = at("switches");
  const toggle = (text, key, change) =>
    el("button", { type: "button", class: "switch", text, title: `${text} (${key})`, onclick: change });
  const overlay = toggle("Overlay all replicas", "o", () => app.show({ everyone: !app.ui.everyone }));
  const all = toggle("All operators", "a", () => app.show({ all: !app.ui.all }));
  const close = toggle("Closer", "z, or a double click", () => app.show({ close: !app.ui.close }));
  const routine = toggle("With checkpoints", "", () => app.show({ routine: !app.ui.routine }));
  place.append(overlay, all, close, routine);
  const legend = [["forward", "inside the replica"], ["link", "over links"], ["back", "back edge"]];
  const subject = el("span", { class: "of" });
  at("legend").append(subject, ...legend.map(([kind, text]) => el("span", {}, sample(kind), text)));

  function draw() {
    const { ui } = app;
    overlay.hidden = all.hidden = close.hidden = ui.tab !== "dataflow";
    routine.hidden = ui.tab !== "story";
    set(overlay, "aria-pressed", String(ui.everyone));
    set(all, "aria-pressed", String(ui.all));
    set(close, "aria-pressed", String(ui.close));
    set(routine, "aria-pressed", String(ui.routine));
    const [frame] = app.frames();
    const whose = ui.everyone ? "busy % of each replica" : `replica ${ui.replica ?? "?"}`;
    const silent = silentFor(app);
    set(subject, "data-silent", silent === null ? null : true);
    if (silent !== null) return say(subject, `${whose} is silent: this is how it was last seen, ${ago(silent)}`);
    say(subject, frame ? `${whose} · over ${lasting(frame.windowUs)} · watched: ${frame.level}` : "no frame yet");
    const lost = frame && frame.lost > 0 ? `${exact(frame.lost)} details were left out` : "";
    set(subject, "title", lost || null);
  }

  return { draw };
}

function sample(kind) {
  const lines = kind === "link" ? ["wide", "core"] : ["line"];
  const paths = lines.map((line) => svg("path", { class: line, d: "M1 5h26" }));
  return svg("svg", { width: 28, height: 10, "aria-hidden": "true", class: "sample" }, svg("g", { class: `wire ${kind}` }, ...paths));
}
