// What a replica takes of its machine: memory, processors, disk; and the settings in force.

import { at, el, figuresTable, refill } from "./dom.js";
import { memoryRows, savingWords } from "./memory.js";
import { lines } from "./story-view.js";
import { ago, count, exact, lasting, size } from "./words.js";

/** Lines of what happened to the replica. */
const LATELY = 12;

/** @param {any} app */
export function machineView(app) {
  const place = at("machine");
  /** What the node that serves this page says of its own settings. */
  let told = null;
  let asked = false;

  async function ask() {
    asked = true;
    told = await app.source.settings();
    app.changed();
  }

  function draw() {
    if (!asked) ask();
    const replica = app.ui.replica ?? 0;
    const frame = app.store.frameOf(replica);
    const happened = app.store.story.latest(LATELY, true, replica);
    refill(place, JSON.stringify([replica, frame?.number, frame?.at, told, happened.length, happened[0]]), () => {
      if (!frame) return [el("p", { class: "empty", text: "This replica has not been seen yet." })];
      const tables = Object.entries(figures(frame)).map(([title, rows]) => block(title, figuresTable(rows)));
      const story = el("ol", { class: "story short" }, ...lines(app, happened));
      const lately = happened.length > 0 ? story : el("p", { class: "empty", text: "Nothing but ordinary work." });
      return [...tables, block("Lately", lately), block("Settings in force", settings(replica))];
    });
  }

  function settings(replica) {
    if (told?.replica !== replica || told.settings.length === 0) {
      const text = told && told.settings.length > 0 ? "A node shows only its own settings: open the page of this replica's node." : "This node does not show its settings.";
      return el("p", { class: "empty", text });
    }
    return figuresTable(told.settings.map(({ name, value }) => [name, value]));
  }

  return { draw, tab: "machine" };
}

function block(title, content) {
  return el("section", { class: "block" }, el("h2", { text: title }), content);
}

/** The figures of a replica, by what they are about. */
function figures(frame) {
  const { machine, saving, program, upMs, starts, stable, durable, links } = frame;
  const known = (value, words) => (value === null ? "unknown" : words(value));
  const sync = machine.syncs && machine.syncs.count > 0 ? machine.syncs : null;
  const state = machine.full ? "full" : machine.fenced ? "slow: the replica waits for it" : "";
  const kept = machine.kept.map(({ slot, bytes, age }) => [`before slot ${exact(slot)}`, `${size(bytes)}, ${ago(age)}`]);
  const far = saving && savingWords(saving);
  const held = memoryRows(frame);
  return {
    Process: [
      ["version", program],
      ["runs for", lasting(upMs * 1000)],
      ["starts", exact(starts)],
      ["processors", known(machine.processors, (share) => `${(share * 100).toFixed(0)} % of one`)],
      ["threads", known(machine.threads, exact)],
      ["open files", known(machine.files, exact)],
    ],
    ...(held.length > 0 ? { Memory: held } : {}),
    Disk: durable
      ? [
          ...(state ? [["state", state]] : []),
          ["journal", known(machine.journal, size)],
          ["parts of checkpoints", known(machine.packs, size)],
          ["free", known(machine.free, size)],
          ["sync p50", sync ? lasting(sync.p50) : "–"],
          ["sync p99", sync ? lasting(sync.p99) : "–"],
        ]
      : [["state", "none: the data is in memory only"]],
    Checkpoints: [["stable", `before slot ${exact(stable)}`], ...kept, ...(far ? [[`before slot ${exact(saving.slot)}`, `on its way: ${far}`]] : []), ["cut", count(machine.cut)], ["taken over", count(machine.installed)]],
    "Clients and links": [
      ["Redis clients", exact(machine.redis)],
      ["native clients", exact(machine.native)],
      ["turned away", exact(machine.refused)],
      ["requests that wait", size(machine.waiting)],
      ["links up", `${links.filter(({ up }) => up).length} of ${links.length}`],
    ],
  };
}
