// Lines over the last minutes, on a canvas.

import { dash } from "./replicas.js";

const PAD = { left: 54, right: 70, top: 8, bottom: 20 };
/** A longer time without a point is a gap in the line, in milliseconds. */
const GAP = 3000;

/**
 * @typedef {{replica: number, points: {t: number, value: number | null}[]}} Line
 * @param {HTMLCanvasElement} canvas
 * @param {{lines: Line[], from: number, to: number, words: (value: number) => string,
 *   cross: number | null}} what
 */
export function drawChart(canvas, { lines, from, to, words, cross }) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (width === 0) return;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  pen.font = `11px ${colour("--mono")}`;
  const values = lines.flatMap((line) => line.points.map((point) => point.value ?? 0));
  const top = nice(Math.max(usual(values), 1));
  const x = (t) => PAD.left + ((t - from) / (to - from)) * (width - PAD.left - PAD.right);
  const y = (value) => height - PAD.bottom - Math.min(value / top, 1) * (height - PAD.top - PAD.bottom);
  grid(pen, { width, from, to, top, x, y, words, line: colour("--line"), dim: colour("--dim") });
  const ends = [];
  for (const { replica, points } of lines) {
    pen.strokeStyle = colour(`--r${replica % 10}`);
    pen.setLineDash(dash(replica).split(" ").filter(Boolean).map(Number));
    trace(pen, points, x, y);
    const last = points.findLast((point) => point.value !== null);
    if (last && to - last.t < GAP) ends.push({ replica, y: y(last.value), text: `replica ${replica}` });
  }
  pen.setLineDash([]);
  labelEnds(pen, ends, width - PAD.right + 6, colour);
  if (cross !== null) crosshair(pen, { cross, height, x, colour });
}

/** The time at a place of the canvas. */
export function timeAt(canvas, place, from, to) {
  const share = (place - PAD.left) / (canvas.clientWidth - PAD.left - PAD.right);
  return from + Math.min(Math.max(share, 0), 1) * (to - from);
}

/**
 * The greatest of some values, or what is usual where a few of them are far greater: a spike would make
 * a flat line of all else. The table beside the chart has its height.
 */
function usual(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const [most, many] = [sorted.at(-1) ?? 0, sorted[Math.floor(sorted.length * 0.98)] ?? 0];
  return many > 0 && most > 4 * many ? 1.5 * many : most;
}

/** A round number that is not less. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 3, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10);
}

function grid(pen, { width, from, to, top, x, y, words, line, dim }) {
  pen.lineWidth = 1;
  pen.strokeStyle = line;
  pen.fillStyle = dim;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y(top * share)) + 0.5;
    pen.beginPath();
    pen.moveTo(PAD.left, at);
    pen.lineTo(width - PAD.right, at);
    pen.stroke();
    pen.fillText(words(top * share), PAD.left - 8, at);
  }
  pen.textAlign = "center";
  const step = (to - from) / 5;
  for (let t = from; t <= to + 1; t += step) {
    const back = Math.round((to - t) / 1000);
    const text = back === 0 ? "now" : back < 120 ? `−${back} s` : `−${(back / 60).toFixed(0)} min`;
    pen.fillText(text, x(t), y(0) + 12);
  }
}

function trace(pen, points, x, y) {
  pen.lineWidth = 1.6;
  pen.lineJoin = "round";
  pen.beginPath();
  let before = null;
  for (const { t, value } of points) {
    if (value === null) before = null;
    else {
      if (before === null || t - before > GAP) pen.moveTo(x(t), y(value));
      else pen.lineTo(x(t), y(value));
      before = t;
    }
  }
  pen.stroke();
}

/** The last values beside their lines, moved apart where they would lie on each other. */
function labelEnds(pen, ends, left, colour) {
  pen.textAlign = "left";
  let free = -Infinity;
  for (const { replica, y, text } of ends.sort((one, other) => one.y - other.y)) {
    const place = Math.max(y, free);
    free = place + 13;
    pen.fillStyle = colour(`--r${replica % 10}`);
    pen.fillText(text, left, place);
  }
}

function crosshair(pen, { cross, height, x, colour }) {
  pen.strokeStyle = colour("--dim");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x(cross), PAD.top);
  pen.lineTo(x(cross), height - PAD.bottom);
  pen.stroke();
}
