// The replicas: who leads, how far each is, and what it serves.

import { at, el, say, set, svg } from "./dom.js";
import { makeHeld, updateHeld } from "./memory.js";
import { FRESH, roleOf, tint } from "./replicas.js";
import { ago, count, exact, lasting } from "./words.js";

/** The bars show at least so many slots, so that one slot is not half of them. */
const SPAN_MIN = 64;
/** Points of a small line: a minute of four a second. */
const SPARK_POINTS = 240;

/** The time that a replica's small line covers, in milliseconds, and its size in its own units. */
const SPARK_SPAN = 60_000;
const [SPARK_WIDTH, SPARK_HEIGHT] = [200, 20];

/** @param {any} app */
export function clusterView(app) {
  const place = at("cluster");
  /** @type {Map<number, any>} */
  const cards = new Map();

  function draw() {
    const { store, ui } = app;
    const scale = scaleOf(store);
    const series = new Map([...store.series].map(([replica, points]) => [replica, points.slice(-SPARK_POINTS)]));
    const top = Math.max(1, ...[...series.values()].flat().map((point) => point.rate));
    for (const replica of store.replicas()) {
      if (!cards.has(replica)) {
        cards.set(replica, makeCard(app, replica));
        place.append(cards.get(replica).root);
      }
      update(cards.get(replica), replica, store.shown.get(replica), scale, app.source.now());
      if (!ui.paused) drawSpark(cards.get(replica).spark, series.get(replica) ?? [], app.source.now(), top);
      const chosen = !ui.everyone && ui.replica === replica;
      set(cards.get(replica).choose, "aria-pressed", String(chosen));
      set(cards.get(replica).root, "data-chosen", chosen || null);
    }
    for (const [replica, card] of cards) {
      if (replica >= store.n) {
        card.root.remove();
        cards.delete(replica);
      }
    }
  }

  return { draw };
}

/**
 * From the lowest stable checkpoint to the furthest replica, where each of them is, and the latest view.
 *
 * Frames of other replicas come less often than those of the node that is asked, which has heard in the
 * meantime how far they are; without that they would all look behind it.
 */
function scaleOf(store) {
  const sightings = [...store.shown.values()].filter((sighting) => sighting.frame);
  const frames = sightings.map((sighting) => sighting.frame);
  const positions = new Map(frames.map((frame) => [frame.replica, frame.executed]));
  for (const { frame, arrived } of sightings) {
    for (const { peer, executed } of frame.links) {
      const isNews = arrived > (store.shown.get(peer)?.arrived ?? Infinity);
      if (isNews && executed !== null) positions.set(peer, Math.max(positions.get(peer) ?? 0, executed));
    }
  }
  const furthest = Math.max(0, ...positions.values());
  const lowest = Math.min(furthest, ...frames.map((frame) => frame.stable));
  const from = Math.max(0, Math.min(lowest, furthest - SPAN_MIN));
  const view = Math.max(0, ...frames.map((frame) => frame.view));
  return { from, furthest, span: Math.max(furthest - from, 1), positions, view };
}

function makeCard(app, replica) {
  const part = (tag, name) => el(tag, { class: name });
  const card = {
    role: part("span", "role"),
    view: part("span", "view"),
    executed: part("i", "executed"),
    stable: part("i", "stable"),
    executedAt: part("dd", "figure"),
    stableAt: part("dd", "figure"),
    rate: part("dd", "figure"),
    p50: part("dd", "figure"),
    p99: part("dd", "figure"),
    lag: part("span", "lag"),
    age: part("span", "age"),
    why: part("p", "why"),
    spark: makeSpark(),
    held: makeHeld(),
  };
  const choose = el(
    "button",
    { type: "button", class: "choose", title: `Show replica ${replica} (${replica})`, onclick: () => app.choose(replica) },
    el("span", { class: "name", text: `replica ${replica}` }),
    card.role,
  );
  const bars = el(
    "div",
    { class: "track", role: "img" },
    card.executed,
    card.stable,
  );
  const figures = el(
    "dl",
    { class: "figures" },
    ...pair("executed", card.executedAt),
    ...pair("stable", card.stableAt),
    ...pair("req/s", card.rate),
    ...pair("p50", card.p50),
    ...pair("p99", card.p99),
  );
  const foot = el("p", { class: "foot" }, card.view, card.lag, card.age);
  const root = el("article", { class: `card ${tint(replica)}`, "aria-label": `Replica ${replica}` });
  const faults = el("div", { class: "faults", hidden: true });
  root.append(choose, bars, figures, card.spark.root, card.held.root, foot, card.why, faults);
  return { ...card, choose, bars, root, faults };
}

function pair(word, figure) {
  return [el("dt", { text: word }), figure];
}

function update(card, replica, sighting, scale, now) {
  const frame = sighting?.frame ?? null;
  const age = frame ? Math.max(now - sighting.arrived, 0) : Infinity;
  const silent = Boolean(sighting?.silence) || age > FRESH;
  const isOutdated = frame !== null && frame.view < scale.view;
  const { sign, word } = silent ? { sign: "✕", word: "silent" } : roleOf(frame.role, isOutdated);
  set(card.root, "data-state", silent ? "silent" : isOutdated ? "outdated" : frame.role);
  set(card.root, "data-ended", sighting?.ended || null);
  say(card.role, `${sign} ${word}`);
  say(card.age, frame ? `seen ${ago(age)}` : "never seen");
  say(card.why, reason(sighting, frame, silent));
  set(card.why, "hidden", card.why.textContent === "" || null);
  if (!frame) return;
  updateHeld(card.held, frame);
  say(card.view, `view ${exact(frame.view)}`);
  const executed = scale.positions.get(replica) ?? frame.executed;
  const behind = scale.furthest - executed;
  const lag = Math.max(frame.lag, silent ? behind : 0);
  say(card.lag, lag > 0 ? `${exact(lag)} behind` : "in sync");
  set(card.lag, "data-behind", lag > 0 || null);
  const share = (slot) => Math.min(Math.max((slot - scale.from) / scale.span, 0), 1) * 100;
  card.executed.style.width = `${share(executed).toFixed(2)}%`;
  card.stable.style.left = `${share(frame.stable).toFixed(2)}%`;
  const words = `executed ${executed} of ${scale.furthest}, stable ${frame.stable}; the bar begins at slot ${scale.from}`;
  set(card.bars, "aria-label", words);
  set(card.bars, "title", words);
  say(card.executedAt, exact(executed));
  say(card.stableAt, exact(frame.stable));
  say(card.rate, silent ? "–" : count(frame.requestRate));
  const { count: known, p50, p99 } = frame.latency;
  say(card.p50, known > 0 && !silent ? lasting(p50) : "–");
  say(card.p99, known > 0 && !silent ? lasting(p99) : "–");
}

/** Why a replica is silent, or not of full use. */
function reason(sighting, frame, silent) {
  if (sighting?.silence) return sighting.silence;
  if (silent) return frame ? "no frame has come from it recently" : "it has not been seen";
  return frame.notReady.join("; ");
}

/** A replica's requests a second over the last minute, as a line no larger than a word; empty at first. */
function makeSpark() {
  const line = svg("polyline", { class: "line", points: "" });
  const ground = svg("polygon", { class: "area", points: "" });
  const root = svg("svg", { class: "spark", viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ground, line);
  return { root, line, ground };
}

/**
 * Draws a replica's line. All replicas share a scale, so that they can be compared.
 * @param {ReturnType<typeof makeSpark>} spark
 * @param {import("./store.js").Point[]} points
 * @param {number} now
 * @param {number} top
 */
function drawSpark({ line, ground }, points, now, top) {
  const place = ({ t, rate }) => {
    const x = Math.max(SPARK_WIDTH * (1 - (now - t) / SPARK_SPAN), 0);
    return `${x.toFixed(1)},${(SPARK_HEIGHT - 1 - (rate / top) * (SPARK_HEIGHT - 3)).toFixed(1)}`;
  };
  const places = points.filter(({ t }) => now - t <= SPARK_SPAN).map(place);
  set(line, "points", places.join(" "));
  const [first, last] = [places[0], places[places.length - 1]].map((each) => each?.split(",")[0]);
  set(ground, "points", places.length > 1 ? `${first},${SPARK_HEIGHT} ${places.join(" ")} ${last},${SPARK_HEIGHT}` : "");
}
