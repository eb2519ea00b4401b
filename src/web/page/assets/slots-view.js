// The lives of the latest slots: a row a slot, a lane a replica, from left to right the time since the
// slot was first seen anywhere.

import { at, el, figuresTable, refill, say, svg } from "./dom.js";
import { tint } from "./replicas.js";
import { deciding, extent, isDone, proposer } from "./slots.js";
import { exact, lasting, several } from "./words.js";

const DRAWN = 30;
const LANE = 13;

/** @param {any} app */
export function slotsView(app) {
  const place = at("timeline");
  const axis = el("div", { class: "axis", "aria-hidden": "true" });
  const note = el("p", { class: "note" });
  const rows = el("div", { class: "rows" });
  place.append(el("div", { class: "axis-line" }, note, axis), rows);
  let looking = false;
  // What somebody looks at does not move away.
  const look = (value) => () => {
    looking = value;
    app.changed();
  };
  rows.addEventListener("pointerenter", look(true));
  rows.addEventListener("pointerleave", look(false));
  rows.addEventListener("focusin", look(true));
  rows.addEventListener("focusout", look(false));

  function draw() {
    const { store } = app;
    const hasRows = rows.querySelector(".slot") !== null;
    const still = (looking || app.ui.paused) && hasRows;
    say(note, still ? "held while you look" : "time since a slot was first seen");
    if (still) return;
    const latest = store.slots.latest(DRAWN, Math.max(store.live.size, 1));
    const unit = scale(latest);
    refill(axis, String(unit), () => ticks(unit));
    refill(rows, JSON.stringify(latest.map((row) => [row.slot, [...row.seen]])), () => {
      if (latest.length === 0) return [el("p", { class: "empty", text: "No slot has been seen yet." })];
      return latest.map((row) => drawRow(row, store, unit));
    });
    choose(latest.find(isDone) ?? latest[0]);
  }

  function choose(row) {
    if (!row) return;
    refill(at("slot"), JSON.stringify([row.slot, [...row.seen]]), () => details(row, app.store));
  }

  function drawRow(row, store, unit) {
    const { from, length } = extent(row);
    const replicas = store.replicas();
    const lead = proposer(row);
    const lanes = replicas.map((replica, lane) => drawLane(row.seen.get(replica), replica, lane, { from, unit, lead }));
    const picture = svg("svg", { width: "100%", height: replicas.length * LANE, "aria-hidden": "true" }, ...lanes);
    const life = [...row.seen.values()].find((seen) => seen.batch);
    const what = life ? several(life.batch.requests, "request") : isDone(row) ? "empty" : "open";
    const head = el(
      "div",
      { class: "slot-head" },
      el("b", { text: exact(row.slot) }),
      el("span", { text: what }),
      el("span", { text: isDone(row) ? lasting(length) : `open ${lasting(length)}` }),
    );
    const show = () => choose(row);
    const label = `Slot ${row.slot}, ${by(lead)}, ${what}, ${lasting(length)}`;
    return el(
      "div",
      { class: "slot", tabindex: 0, role: "group", "aria-label": label, "data-open": !isDone(row), onpointerenter: show, onfocus: show },
      head,
      lanesOf(replicas),
      picture,
    );
  }

  return { draw, tab: "slots" };
}

/** The numbers of the replicas, each beside its lane. */
function lanesOf(replicas) {
  return el("div", { class: "lanes", "aria-hidden": "true" }, ...replicas.map((replica) => el("span", { class: tint(replica), text: replica })));
}

/** A round length that most of the rows fit in. */
function scale(rows) {
  const lengths = rows.map((row) => extent(row).length).sort((one, other) => one - other);
  const most = Math.max(lengths[Math.floor(lengths.length * 0.9)] ?? 0, 10);
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([1, 1.5, 2, 3, 4, 6, 8].find((step) => step * power >= most) ?? 10);
}

function ticks(unit) {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const tick = el("span", { text: share === 0 ? "0" : lasting(unit * share) });
    tick.style.left = `${share * 100}%`;
    return tick;
  });
}

/** One replica's view of a slot. */
function drawLane(life, replica, lane, { from, unit, lead }) {
  const y = lane * LANE + LANE / 2;
  const root = svg("g", { class: `lane ${tint(replica)}` });
  root.append(svg("line", { class: "ground", x1: "0", x2: "100%", y1: y, y2: y }));
  if (!life) return root;
  const x = (when) => `${(Math.min(Math.max((when - from) / unit, 0), 1) * 99 + 0.5).toFixed(2)}%`;
  const begin = life.proposed ?? life.voted ?? life.votes[0]?.[1] ?? life.executed;
  const end = life.executed ?? Math.max(begin, life.voted ?? 0, ...life.votes.map(([, when]) => when));
  if (begin !== null) root.append(svg("line", { class: "life", x1: x(begin), x2: x(end), y1: y, y2: y }));
  const decided = deciding(life);
  for (const vote of life.votes) {
    const [voter, when] = vote;
    const mark = { class: `vote ${tint(voter)}`, "data-decides": vote === decided, x1: x(when), x2: x(when), y1: y - 4.5, y2: y + 4.5 };
    root.append(svg("line", mark));
  }
  if (life.proposed !== null) {
    root.append(svg("circle", { class: replica === lead ? "proposed own" : "proposed", cx: x(life.proposed), cy: y, r: 3.2 }));
  }
  if (life.voted !== null) root.append(svg("rect", { class: "voted", x: x(life.voted), y: y - 4.5, width: 3, height: 9, rx: 1 }));
  if (life.executed !== null) {
    root.append(svg("rect", { class: "executed", x: x(life.executed), y: y - 3.5, width: 7, height: 7, transform: "translate(-3.5 0)" }));
  }
  return root;
}

/** All stamps of a slot, to the microsecond. */
function details(row, store) {
  const { from } = extent(row);
  const seen = [...row.seen].sort(([one], [other]) => one - other);
  const after = (when) => (when === null || when === undefined ? "–" : when < from ? "earlier" : `+${exact(when - from)}`);
  const lead = proposer(row);
  const vote = (voter) => ([, life]) => after(life.votes.find(([replica]) => replica === voter)?.[1]);
  const lines = [
    ["packed", ([, life]) => after(life.packed)],
    ["proposed", ([, life]) => after(life.proposed)],
    ["own vote left", ([, life]) => after(life.voted)],
    ...store.replicas().map((voter) => [`vote of ${voter}`, vote(voter)]),
    ["executed", ([, life]) => after(life.executed)],
  ];
  const table = lines.map(([word, figure]) => [word, ...seen.map(figure)]);
  const above = { replicas: seen.map(([replica]) => replica), caption: "µs since it was first seen, by the clock of each replica" };
  const decisions = seen.map(([replica, life]) => {
    const vote = deciding(life);
    if (vote) return `At replica ${replica} the vote of ${vote[0]} decided it.`;
    return life.decided === null ? `Replica ${replica} lacks votes.` : `At replica ${replica} it is decided.`;
  });
  const views = Math.max(...seen.map(([, life]) => life.view));
  return [
    el("p", { text: `Slot ${exact(row.slot)}, ${by(lead)} in view ${exact(views)}. ${inside(seen)}` }),
    figuresTable(table, above),
    el("p", { class: "holding", text: decisions.join(" ") }),
    el("p", { class: "signs", text: "● proposed   ┃ own vote left, durable   | a vote came   ■ executed" }),
  ];
}

/** Who proposed it, in words. */
function by(proposer) {
  return proposer === null ? "seen" : `proposed by replica ${proposer}`;
}

/** What a slot holds, in words. */
function inside(seen) {
  const batch = seen.map(([, life]) => life.batch).find(Boolean);
  if (!batch) return seen.every(([, life]) => life.executed !== null) ? "It is empty." : "It is still open.";
  const whose = batch.runs.map(({ client, first, last }) => {
    const who = client > Number.MAX_SAFE_INTEGER ? "a connection" : `client ${client}`;
    return first === last ? `${who}: ${first}` : `${who}: ${first} to ${last}`;
  });
  const size = `${several(batch.requests, "request")}, ${several(batch.bytes, "byte")}, from clients of replica ${batch.source}`;
  return `It holds ${size}${whose.length > 0 ? ` (${whose.join("; ")})` : ""}.`;
}
