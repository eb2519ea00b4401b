// Requests and latencies of each replica over the last five minutes.

import { drawChart, timeAt } from "./chart.js";
import { at, el, refill } from "./dom.js";
import { tint } from "./replicas.js";
import { count, lasting } from "./words.js";

/** What is shown, in milliseconds: at most, and at least when there is little yet. */
const SPAN = { most: 300_000, least: 30_000 };

const CHARTS = [
  { title: "Requests executed a second", pick: (point) => point.rate, words: count },
  { title: "Latency, half of the requests take no more (p50)", pick: (point) => point.p50, words: lasting },
  { title: "Latency, 99 of 100 take no more (p99)", pick: (point) => point.p99, words: lasting },
];

/** @param {any} app */
export function chartsView(app) {
  const place = at("charts");
  let cross = null;
  const range = { from: 0, to: 1 };
  const charts = CHARTS.map(({ title, pick, words }) => {
    const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { role: "img", "aria-label": `${title}; the table beside it has the figures` }));
    const values = el("div", { class: "values" });
    canvas.addEventListener("pointermove", (event) => {
      cross = timeAt(canvas, event.offsetX, range.from, range.to);
      app.changed();
    });
    canvas.addEventListener("pointerleave", () => {
      cross = null;
      app.changed();
    });
    place.append(el("figure", { class: "chart" }, el("figcaption", { text: title }), el("div", { class: "chart-body" }, canvas, values)));
    return { canvas, values, pick, words };
  });

  function draw() {
    const { store } = app;
    if (!app.ui.paused) range.to = app.source.now();
    const series = [...store.series].sort(([one], [other]) => one - other);
    const oldest = Math.min(range.to, ...series.map(([, points]) => points[0]?.t ?? range.to));
    range.from = range.to - Math.min(Math.max(range.to - oldest, SPAN.least), SPAN.most);
    for (const { canvas, values, pick, words } of charts) {
      const lines = series.map(([replica, points]) => ({
        replica,
        points: points.filter((point) => point.t >= range.from && point.t <= range.to).map((point) => ({ t: point.t, value: pick(point) })),
      }));
      drawChart(canvas, { lines, ...range, words, cross });
      const figures = lines.map(({ replica, points }) => [replica, said(points, words, cross ?? range.to)]);
      refill(values, JSON.stringify([figures, cross !== null]), () => [table(figures, cross === null ? "now" : `${lasting((range.to - cross) * 1000)} ago`)]);
    }
  }

  return { draw, tab: "charts" };
}

/** The value at a moment: that of the last point before it, if that is fresh. */
function said(points, words, when) {
  const last = points.findLast((point) => point.t <= when);
  return last && last.value !== null && when - last.t < 3000 ? words(last.value) : "–";
}

function table(figures, when) {
  const row = ([replica, text]) => el("tr", { class: tint(replica) }, el("th", { scope: "row", text: `replica ${replica}` }), el("td", { text }));
  return el("table", {}, el("caption", { text: when }), el("tbody", {}, ...figures.map(row)));
}
