// A replica's requests a second over the last minute, as a line no larger than a word.

import { set, svg } from "./dom.js";

/** What is shown, in milliseconds, and the size of the picture in its own units. */
const SPAN = 60_000;
const [WIDTH, HEIGHT] = [200, 20];

/** Makes an empty one. */
export function makeSpark() {
  const line = svg("polyline", { class: "line", points: "" });
  const ground = svg("polygon", { class: "area", points: "" });
  const root = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ground, line);
  return { root, line, ground };
}

/**
 * Draws a replica's line. All replicas share a scale, so that they can be compared.
 * @param {ReturnType<typeof makeSpark>} spark
 * @param {import("./store.js").Point[]} points
 * @param {number} now
 * @param {number} top
 */
export function drawSpark({ line, ground }, points, now, top) {
  const place = ({ t, rate }) => {
    const x = Math.max(WIDTH * (1 - (now - t) / SPAN), 0);
    return `${x.toFixed(1)},${(HEIGHT - 1 - (rate / top) * (HEIGHT - 3)).toFixed(1)}`;
  };
  const places = points.filter(({ t }) => now - t <= SPAN).map(place);
  set(line, "points", places.join(" "));
  const [first, last] = [places[0], places[places.length - 1]].map((each) => each?.split(",")[0]);
  set(ground, "points", places.length > 1 ? `${first},${HEIGHT} ${places.join(" ")} ${last},${HEIGHT}` : "");
}
