// Beside the graph: the chain of blame, and the operator that is selected.

import { differences, holderOf, holdingOf, workOf } from "./differs.js";
import { at, el, figuresTable, refill, say } from "./dom.js";
import { tint } from "./replicas.js";
import { count, exact, lasting, percent, size } from "./words.js";

/** Operators listed while none is selected. */
const BUSIEST = 6;

/** @param {any} app */
export function operatorView(app) {
  function draw() {
    const frames = app.frames();
    drawBlame(app, frames);
    const name = app.ui.operator;
    say(at("operator-title"), name ?? (workOf(frames).timed ? "Busiest operators" : "Operators with most records"));
    const shown = frames.map((frame) => ({
      frame,
      operator: frame.operators.find((operator) => operator.name === name) ?? null,
      holding: name ? holdingOf(frame, name) : null,
    }));
    const differing = app.ui.everyone && name ? differences(frames, name) : [];
    refill(at("operator"), JSON.stringify([name, differing, name ? shown.map(keyOf) : busyKey(frames)]), () => {
      if (!name) return busiest(app, frames);
      const known = shown.filter(({ operator }) => operator);
      if (known.length === 0) return [el("p", { class: "empty", text: "No replica has this operator." })];
      return [figures(known), ...known.map(holds), ...known.flatMap(inputs), ...differing.map(differs)];
    });
  }

  return { draw, tab: "dataflow" };
}

function keyOf({ frame, operator, holding }) {
  return [frame.replica, operator, holding];
}

/** The operators that do most, of any of these replicas. */
function topOf(frames, { share }) {
  const all = frames.flatMap(({ replica, operators }) => operators.map((operator) => ({ replica, operator })));
  return all.sort((one, other) => share(other.operator) - share(one.operator)).slice(0, BUSIEST);
}

function busyKey(frames) {
  const work = workOf(frames);
  return topOf(frames, work).map(({ replica, operator }) => [replica, operator.name, work.words(operator)]);
}

/** While none is selected: where to look first. */
function busiest(app, frames) {
  const work = workOf(frames);
  const top = topOf(frames, work);
  // On a scale to the whole of the time most bars would not be seen.
  const most = Math.max(0.001, ...top.map(({ operator }) => work.share(operator)));
  const lines = top.map(({ replica, operator }) => {
    const { name } = operator;
    const bar = el("i", { class: "bar-fill" });
    bar.style.width = `${((work.share(operator) / most) * 100).toFixed(1)}%`;
    const button = el("button", { type: "button", class: "quiet", text: name, onclick: () => app.select(name) });
    const whose = app.ui.everyone ? el("span", { class: "whose", text: ` of ${replica}` }) : null;
    return el("li", { class: tint(replica) }, el("span", {}, button, whose), el("span", { class: "bar-ground" }, bar), el("b", { text: work.words(operator) }));
  });
  return [el("ol", { class: "busiest" }, ...lines), el("p", { class: "empty", text: "Select an operator to see its figures." })];
}

/** A row a figure, a column a replica. */
function figures(known) {
  const rows = [
    ["busy", (operator) => percent(operator.busy)],
    ["records in", (operator) => `${count(operator.rateIn)}/s`],
    ["records out", (operator) => `${count(operator.rateOut)}/s`],
    ["run time p50", (operator) => spread(operator, "p50")],
    ["run time p99", (operator) => spread(operator, "p99")],
    ["run time max", (operator) => spread(operator, "max")],
    ["runs", (operator) => count(operator.runs)],
    ["records in, total", (operator) => count(operator.recordsIn)],
    ["records out, total", (operator) => count(operator.recordsOut)],
    ["run time, total", (operator) => lasting(operator.busyUs)],
    ["frontier", (operator) => (operator.frontier === null ? "no frontier (untimed)" : `slot ${exact(operator.frontier)}`)],
  ];
  const table = rows.map(([word, figure]) => [word, ...known.map(({ operator }) => figure(operator))]);
  table.push(["memory", ...known.map(({ holding }) => (holding && holding.bytes > 0 ? size(holding.bytes) : "–"))]);
  return figuresTable(table, { replicas: known.map(({ frame }) => frame.replica) });
}

function spread(operator, which) {
  return operator.run.count > 0 ? lasting(operator.run[which]) : "–";
}

/** What it still has pending, in words. */
function holds({ frame, holding }) {
  if (!holding) return null;
  if (holding.held === 0 && !holding.wait) {
    return el("p", { class: "holding", text: `On replica ${frame.replica} it holds nothing.` });
  }
  const none = holding.held === 0 || holding.slot === null;
  const what = none ? "no slot" : `slot ${exact(holding.slot)}`;
  const more = holding.held > 1 ? ` and ${exact(holding.held - 1)} more` : "";
  const wait = holding.wait
    ? ` It waits for ${holding.wait}, for ${lasting(holding.waitedUs)} now.`
    : " It waits for nothing.";
  return el("p", { class: "holding", text: `On replica ${frame.replica} it holds ${what}${more}.${wait}` });
}

/** Its inputs, and who holds them back, where timely's own log is read. */
function inputs({ frame, operator }) {
  return operator.inputs.map(({ from, queued, tracked, held }) => {
    const waits = queued > 0 ? ` ${exact(queued)} records wait.` : "";
    const holders = held.map(({ time, by, message, at: point }) =>
      message ? ` Time ${time} may come: ${by} has not taken its records of ${point}.` : ` Time ${time} may come: ${by} may still send at ${point}.`,
    );
    const rest = holders.length > 0 || !tracked ? holders.join("") : " Nothing more comes.";
    return el("p", { class: "holding", text: `Replica ${frame.replica}, from ${from.join(", ")}:${waits}${rest}` });
  });
}

function differs({ replica, why }) {
  return el("p", { class: "differs", text: `≠ Replica ${replica} differs from the others in: ${why}.` });
}

/** Each link says why the one above it waits. */
function drawBlame(app, frames) {
  const chains = frames.filter((frame) => frame.blame.length > 0);
  refill(at("blame"), JSON.stringify(chains.map((frame) => [frame.replica, frame.blame])), () => {
    if (chains.length === 0) {
      const text = frames.length > 0 ? "Nothing waits." : "No frame has come yet.";
      return [el("p", { class: "empty", text })];
    }
    return chains.map((frame) => chain(app, frame));
  });
}

/** The words of a link without the name that stands before them already. */
function withoutName({ operator, text }) {
  return text.startsWith(`${operator} `) ? text.slice(operator.length + 1) : text;
}

function chain(app, frame) {
  const holder = holderOf(frame);
  const links = frame.blame.map((link) => {
    const replica = link.replica ?? frame.replica;
    const other = link.replica !== null && link.replica !== frame.replica;
    const name = other ? `${link.operator} of replica ${replica}` : link.operator;
    const button = el("button", {
      type: "button",
      class: "quiet",
      text: name,
      onclick: () => (other ? app.choose(replica) : null, app.select(link.operator)),
    });
    return el("li", { "data-holds": link === holder }, button, ` ${withoutName(link)}`);
  });
  const head = el("h3", { class: tint(frame.replica), text: `replica ${frame.replica}` });
  return el("div", {}, app.ui.everyone ? head : null, el("ol", { class: "chain" }, ...links));
}
