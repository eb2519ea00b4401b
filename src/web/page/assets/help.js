// Keys, and what the signs on the page mean.

import { at, el } from "./dom.js";
import { KEYS } from "./keys.js";

const SIGNS = [
  ["◆ ◇ ○ ◌ ✕", "a leader; one that is to lead and still learns what was left behind; a follower; the leader of a view that others have left; not heard"],
  ["bar, tick", "how far a replica has executed; its stable checkpoint. All bars share one scale."],
  ["single line", "a stream inside the replica"],
  ["double line", "messages over links to other replicas"],
  ["dashed line", "inside the replica, against the grain"],
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
