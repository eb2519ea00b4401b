// What is wrong with the cluster: the worst in words, with the reasons, and how many more there are.

import { at, el, refill, set } from "./dom.js";
import { several } from "./words.js";

const WORDS = { fatal: "Fatal", down: "Down", degraded: "Degraded" };
const SIGNS = { fatal: "✖", down: "▼", degraded: "▲" };

/** @param {any} app */
export function findingsView(app) {
  const place = at("findings");
  let open = false;

  function more() {
    open = !open;
    draw();
  }

  function draw() {
    const { findings, judged } = app.store;
    const seen = app.store.live.size > 0;
    const stale = app.source.lost() > 1000 ? "This node does not answer: this is what it said last." : "";
    const key = JSON.stringify([findings, judged, seen, open, stale]);
    const worst = findings[0];
    set(place, "data-severity", stale ? "unknown" : worst ? worst.severity : judged ? "none" : "unknown");
    refill(place, key, () => {
      const note = stale ? el("p", { class: "stale", text: stale }) : null;
      if (!worst) return [note, calm(judged, seen)];
      const others = findings.slice(1);
      return [note, said(worst), others.length > 0 ? rest(others) : null];
    });
  }

  function rest(others) {
    const label = open ? "Fewer" : `${several(others.length, "more finding")}`;
    const button = el("button", { type: "button", class: "quiet", text: label, "aria-expanded": String(open), onclick: more });
    return el("div", { class: "rest", "data-open": open }, button, ...(open ? others.map(said) : []));
  }

  return { draw };
}

/** Nothing is wrong, or nobody has said whether something is. */
function calm(judged, seen) {
  if (judged) return el("p", { class: "calm" }, el("b", { text: "✓ Nothing is wrong" }));
  const text = seen ? "No findings have come yet: see who holds the frontier, and who is behind." : "The cluster has not answered yet.";
  return el("p", { class: "calm", text });
}

function said({ severity, text, because }) {
  const head = el(
    "p",
    { class: "worst" },
    el("b", { class: "badge", text: `${SIGNS[severity] ?? "▲"} ${WORDS[severity] ?? severity}` }),
    el("span", { text }),
  );
  const reasons = because.map((reason) => el("li", { text: reason }));
  return el("div", { class: "finding", "data-severity": severity }, head, el("ol", { class: "because" }, ...reasons));
}
