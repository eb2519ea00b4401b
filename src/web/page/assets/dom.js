// Elements, made and changed without ever reading markup: all text goes through textContent.

import { tint } from "./replicas.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. `class`, `text` and attributes are given by name; `onclick` and its like are
 * listened to.
 * @param {string} tag
 * @param {Record<string, any>} [given]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function el(tag, given = {}, ...children) {
  return fill(document.createElement(tag), given, children);
}

/**
 * Makes an element of a picture.
 * @param {string} tag
 * @param {Record<string, any>} [given]
 * @param {...(Node | string | null)} children
 * @returns {SVGElement}
 */
export function svg(tag, given = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), given, children);
}

function fill(node, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = String(value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Sets the text of a node, if it is another one. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, if it is another one; nothing removes it. */
export function set(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, String(value));
  }
}

/**
 * Fills `place` anew, if what it shows has another `key` than what it shows already.
 * @param {HTMLElement} place
 * @param {string} key
 * @param {() => (Node | string | null)[]} build
 */
export function refill(place, key, build) {
  if (shown.get(place) === key) return;
  shown.set(place, key);
  place.replaceChildren(...build().filter((child) => child !== null));
}

/** @type {WeakMap<HTMLElement, string>} */
const shown = new WeakMap();

/**
 * A table of figures: a row for each, its word first, and a column for each replica.
 * @param {(string | number)[][]} rows
 * @param {{replicas?: number[], caption?: string}} [above]
 */
export function figuresTable(rows, { replicas = [], caption } = {}) {
  const row = ([word, ...texts]) => el("tr", {}, el("th", { scope: "row", text: word }), ...texts.map((text) => el("td", { text })));
  const heads = replicas.map((replica) => el("th", { scope: "col", class: tint(replica), text: `replica ${replica}` }));
  return el(
    "table",
    { class: "figures-table" },
    caption ? el("caption", { text: caption }) : null,
    heads.length > 0 ? el("thead", {}, el("tr", {}, el("td"), ...heads)) : null,
    el("tbody", {}, ...rows.map(row)),
  );
}

/** The element of the page with this id. */
export function at(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}
