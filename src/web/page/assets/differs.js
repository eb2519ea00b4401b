// Who differs: the same operator of all replicas, held against each other.

import { count, percent } from "./words.js";

/** Busy shares that are this far apart differ. */
const BUSY_APART = 0.1;
/** A share of the time that is worth a look. */
const BUSY_LEAST = 0.005;
/** Of two rates one must be so many times the other, and the difference no trifle. */
const RATE_TIMES = 2;
const RATE_APART = 20;
/** Frames are not of the same moment: only what is more than so many seconds behind is. */
const BEHIND_S = 2;
const BEHIND_SLOTS = 16;

/** A shorter hold than this, in microseconds, is work. */
const HOLD_US = 5000;

/** @typedef {{replica: number, why: string}} Difference */

/** The middle one of some numbers. */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Which replicas differ markedly at an operator, and in what.
 * @param {import("./frame.js").Frame[]} frames
 * @param {string} name
 * @returns {Difference[]}
 */
export function differences(frames, name) {
  const here = frames
    .map((frame) => ({ frame, operator: frame.operators.find((operator) => operator.name === name) }))
    .filter(({ operator }) => operator);
  if (here.length < 3) return [];
  const busy = median(here.map(({ operator }) => operator.busy));
  const rate = median(here.map(({ operator }) => operator.rateIn));
  // Where nobody has anything to do, rates say nothing.
  const works = here.some(({ operator }) => operator.busy > BUSY_LEAST);
  const held = here.map(({ frame }) => holdingOf(frame, name)?.slot ?? null).filter((slot) => slot !== null);
  const slot = held.length >= 3 ? median(held) : null;
  const found = [];
  for (const { frame, operator } of here) {
    const why = [];
    if (Math.abs(operator.busy - busy) > BUSY_APART) why.push("busy");
    if (works && isApart(operator.rateIn, rate)) why.push("records");
    const own = holdingOf(frame, name)?.slot ?? null;
    const margin = BEHIND_SLOTS + frame.slotRate * BEHIND_S;
    if (slot !== null && own !== null && slot - own > margin) why.push("held slot");
    if (why.length > 0) found.push({ replica: frame.replica, why: why.join(", ") });
  }
  return found;
}

function isApart(one, other) {
  const [less, more] = one < other ? [one, other] : [other, one];
  return more - less > RATE_APART && more > less * RATE_TIMES;
}

/**
 * What a role of a replica still has pending.
 * @param {import("./frame.js").Frame} frame
 * @param {string} name
 */
export function holdingOf(frame, name) {
  return frame.holdings.find((holding) => holding.role === name) ?? null;
}

/**
 * The last link of the chain of blame that is an operator of this replica: it holds the frontier.
 * @param {import("./frame.js").Frame} frame
 */
export function holderOf(frame) {
  const names = new Set(frame.operators.map((operator) => operator.name));
  const isOwn = (link) => link.replica === null || link.replica === frame.replica;
  return frame.blame.findLast((link) => isOwn(link) && names.has(link.operator)) ?? null;
}

/**
 * The same, if it has held for so long that this is no work any more.
 * @param {import("./frame.js").Frame} frame
 */
export function stallerOf(frame) {
  const holder = holderOf(frame);
  const waited = frame.holdings.filter(({ role }) => frame.blame.some((link) => link.operator === role)).map(({ waitedUs }) => waitedUs);
  return holder && Math.max(0, ...waited) >= HOLD_US ? holder : null;
}

/**
 * How much an operator does, from 0 to 1, and in words: by the time it takes; where no times are taken, as in
 * a simulated run, by its records, beside the operator that has most.
 * @param {import("./frame.js").Frame[]} frames
 */
export function workOf(frames) {
  const all = frames.flatMap((frame) => frame.operators);
  if (all.some((operator) => operator.busyUs > 0)) {
    return { timed: true, share: (operator) => operator.busy, words: (operator) => percent(operator.busy) };
  }
  const rate = (operator) => Math.max(operator.rateIn, operator.rateOut);
  const most = Math.max(1e-9, ...all.map(rate));
  return { timed: false, share: (operator) => rate(operator) / most, words: (operator) => `${count(rate(operator))}/s` };
}
