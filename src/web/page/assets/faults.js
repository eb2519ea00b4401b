// Buttons that do harm: only where a node offers that, which it does in a demo.

import { at, el } from "./dom.js";

const PATH = "/v1/replicas/{replica}/";
const WHAT = { kill: "Ends it, as a lost machine would", pause: "Keeps it from doing anything for three seconds", restart: "Lets it come back" };

/**
 * The buttons for one replica.
 * @param {string[]} paths what the node lists
 * @param {number} replica
 * @param {(text: string) => void} notice
 */
export function faultButtons(paths, replica, notice) {
  return Object.keys(WHAT)
    .filter((fault) => paths.includes(PATH + fault))
    .map((fault) =>
      el("button", {
        type: "button",
        class: "quiet",
        "data-fault": fault,
        text: fault,
        title: `${WHAT[fault]}: replica ${replica}`,
        "aria-label": `${fault} replica ${replica}`,
        onclick: () => ask(fault, replica, notice),
      }),
    );
}

async function ask(fault, replica, notice) {
  try {
    const answer = await fetch(`/v1/replicas/${replica}/${fault}`, { method: "POST" });
    notice(answer.ok ? "" : `Could not ${fault} replica ${replica}: ${(await answer.text()).slice(0, 200)}`);
  } catch {
    notice(`Could not ${fault} replica ${replica}: the node does not answer.`);
  }
}

/**
 * Puts buttons on each card that has none, if the node offers any.
 * @param {any} app
 */
export function faultsView(app) {
  let paths = [];
  app.source.paths().then((listed) => {
    paths = listed.filter((path) => path.startsWith(PATH));
    app.changed();
  });

  function draw() {
    if (paths.length === 0) return;
    for (const card of at("cluster").children) {
      // What has ended can only be started again, and nothing else can.
      const isOver = card.getAttribute("data-ended") !== null;
      card.querySelectorAll(".faults button").forEach((button) => {
        /** @type {HTMLButtonElement} */ (button).disabled = isOver !== (button.getAttribute("data-fault") === "restart");
      });
    }
    at("cluster").querySelectorAll(".faults[hidden]").forEach((place) => {
      const replica = [...at("cluster").children].indexOf(place.closest(".card"));
      place.append(...faultButtons(paths, replica, (text) => app.notice("faults", text)));
      /** @type {HTMLElement} */ (place).hidden = false;
    });
  }

  return { draw };
}
