// The streams of the graph: lines, arrowheads and labels with their figures.

import { say, set, svg } from "./dom.js";
import { count, exact } from "./words.js";

const HEAD = 8;

/**
 * Draws one stream.
 * @param {any} net as GET /v1/graph gives it
 */
export function makeWire(net) {
  const path = net.curves.map(curve).join("");
  const lines = net.kind === "link" ? ["wide", "core"] : ["line"];
  const title = svg("title");
  const root = svg(
    "g",
    { class: `wire ${net.kind}` },
    title,
    ...lines.map((line) => svg("path", { class: line, d: path })),
    ...net.heads.map((head) => svg("path", { class: "head", d: arrowhead(head) })),
  );
  const figures = [];
  const labels = net.places.map(([x, y]) => {
    const figure = svg("tspan", { class: "rate" });
    const queue = svg("tspan", { class: "queue" });
    figures.push({ figure, queue });
    const name = svg("tspan", { text: net.label ?? "" });
    return svg("text", { class: `label ${net.kind}`, x, y: y + 4 }, name, figure, queue);
  });
  return { net, root, labels, figures, title };
}

/** Upright at both ends; straight if they are one above the other. */
function curve([[x, y], [toX, toY]]) {
  if (Math.abs(x - toX) < 0.5) return `M${x} ${y}L${toX} ${toY}`;
  const middle = (y + toY) / 2;
  return `M${x} ${y}C${x} ${middle} ${toX} ${middle} ${toX} ${toY}`;
}

function arrowhead({ at: [x, y], down }) {
  const back = down ? y - HEAD : y + HEAD;
  return `M${x} ${y}L${x - 4} ${back}L${x + 4} ${back}Z`;
}

/**
 * Shows what flows through a stream.
 * @param {ReturnType<typeof makeWire>} wire
 * @param {import("./frame.js").Frame[]} frames
 * @param {string | null} selected the operator whose streams are to stand out
 */
export function updateWire(wire, frames, selected) {
  const { net } = wire;
  const channels = frames.flatMap((frame) => frame.channels.filter((channel) => isOf(channel, net)));
  const known = channels.length > 0;
  const rate = Math.max(0, ...channels.map((channel) => channel.rate));
  const queued = channels.reduce((sum, channel) => sum + channel.queued, 0);
  set(wire.root, "data-idle", rate === 0 || null);
  set(wire.root, "data-touches", net.from === selected || net.to.includes(selected) || null);
  for (const label of wire.labels) set(label, "data-idle", rate === 0 || null);
  for (const { figure, queue } of wire.figures) {
    say(figure, known && rate > 0 ? ` ${count(rate)}/s` : "");
    say(queue, queued > 0 ? ` ${count(queued)} queued` : "");
  }
  const flow = known ? `: ${exact(rate)} records a second, ${exact(queued)} queued` : "";
  say(wire.title, `${net.from} to ${net.to.join(", ")}${net.label ? ` (${net.label})` : ""}${flow}`);
}

function isOf(channel, net) {
  const same = channel.from === net.from && channel.kind === net.kind && net.to.includes(channel.to);
  return same && (net.label === null || channel.label === null || channel.label === net.label);
}
