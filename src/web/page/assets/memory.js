// What holds the memory of a replica, and the checkpoint on its way to its disk.

import { el, say, set } from "./dom.js";
import { ago, count, exact, lasting, percent, size } from "./words.js";

/** What holds memory, by its name, the application's state first; and the class of its colour. */
const HOLDERS = [
  ["state", "state", ({ state }) => state ?? 0],
  ["copied", "copies for the checkpoint", ({ copied }) => copied],
  ["recent", "recent slots", ({ recent }) => recent],
  ["rest", "sessions", ({ sessions }) => sessions],
  ["rest", "waiting requests", ({ waiting }) => waiting],
  ["rest", "links", ({ links }) => links],
  ["rest", "journal", ({ journal }) => journal],
];

/** A row for each that holds memory, and for the limit of the state if there is one. */
export function memoryRows({ memory, machine }) {
  const held = HOLDERS.map(([, name, bytes]) => [name, bytes(memory)]);
  const rows = held.filter(([name, bytes]) => bytes > 0 || (name === "state" && memory.state !== null));
  const limit = memory.stateMax === null ? [] : [["limit of the state", size(memory.stateMax)]];
  const all = machine.memory === null ? [] : [["all the process", size(machine.memory)]];
  return [...rows.map(([name, bytes]) => [name, size(bytes)]), ...limit, ...all];
}

/** How far a checkpoint is, in words. */
export function savingWords({ done, parts, bytes, fetched }) {
  const far = fetched ? `${exact(done)} parts fetched` : `${exact(done)} of ${exact(parts)} parts`;
  return `${far}, ${size(bytes)}`;
}

/** Its share, if it is known how much there is to come. */
function savingShare({ done, parts, fetched }) {
  if (fetched) return null;
  return parts > 0 ? Math.min(done / parts, 1) : 0;
}

/** The place of both on a replica's card. */
export function makeHeld() {
  const part = (tag, name) => el(tag, { class: name });
  const saving = { text: part("b", "amount"), fill: part("i", "fill"), bar: el("div", { class: "held-bar", role: "img" }) };
  saving.bar.append(saving.fill);
  const parts = ["state", "copied", "recent", "rest"].map((name) => part("i", name));
  const memory = { text: part("b", "amount"), parts, limit: part("i", "limit"), bar: el("div", { class: "held-bar", role: "img" }) };
  memory.bar.append(...parts, memory.limit);
  const row = (word, { text, bar }) => el("div", { class: "held-row" }, el("span", {}, el("span", { text: word }), text), bar);
  saving.root = row("checkpoint", saving);
  memory.root = row("memory", memory);
  return { saving, memory, root: el("div", { class: "held" }, memory.root, saving.root) };
}

/** Shows both. The rows stay where they are while checkpoints come and go. */
export function updateHeld({ saving, memory }, frame) {
  updateMemory(memory, frame);
  updateSaving(saving, frame);
}

function updateMemory({ root, text, parts, limit, bar }, frame) {
  const { memory } = frame;
  const held = new Map();
  for (const [name, , bytes] of HOLDERS) held.set(name, (held.get(name) ?? 0) + bytes(memory));
  const sum = [...held.values()].reduce((one, other) => one + other, 0);
  set(root, "hidden", sum === 0);
  if (sum === 0) return;
  const max = memory.state === null ? null : memory.stateMax;
  // Only the state counts for its limit: it comes first, so that its end can be compared with the mark.
  const whole = Math.max(sum, max ?? 0);
  for (const part of parts) part.style.width = `${(((held.get(part.className) ?? 0) / whole) * 100).toFixed(2)}%`;
  set(limit, "hidden", max === null);
  if (max !== null) limit.style.left = `${((max / whole) * 100).toFixed(2)}%`;
  const near = max !== null && memory.state > 0.9 * max;
  set(root, "data-near", near);
  say(text, max === null ? size(sum) : `${size(memory.state)} of ${size(max)}`);
  const words = memoryRows(frame).map(([name, bytes]) => `${name} ${bytes}`).join(", ");
  set(bar, "aria-label", `In memory: ${words}`);
  set(bar, "title", words);
}

function updateSaving({ root, text, fill, bar }, { durable, saving, machine }) {
  set(root, "hidden", !durable);
  set(root, "data-on", saving !== null);
  if (saving === null) {
    const last = machine.kept[machine.kept.length - 1];
    fill.style.width = "0";
    say(text, last ? `written ${ago(last.age)}` : "none yet");
    set(bar, "aria-label", "No checkpoint is on its way");
    set(bar, "title", null);
    return;
  }
  const share = savingShare(saving);
  fill.style.width = `${((share ?? 1) * 100).toFixed(1)}%`;
  set(fill, "data-fetched", share === null);
  // A card is narrow.
  const far = share === null ? `${count(saving.done)} parts` : `${count(saving.done)} of ${count(saving.parts)}`;
  say(text, `${far}, ${size(saving.bytes)}`);
  const words = share === null ? savingWords(saving) : `${savingWords(saving)}, ${percent(share)}`;
  const title = `The checkpoint before slot ${exact(saving.slot)}: ${words}, for ${lasting(saving.ms * 1000)}`;
  set(bar, "aria-label", title);
  set(bar, "title", title);
}
