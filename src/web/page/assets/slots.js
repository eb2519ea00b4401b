// The lives of slots, put together from what each replica saw of them.

/** @typedef {import("./frame.js").SlotLife} SlotLife */
/** @typedef {{slot: number, seen: Map<number, SlotLife>}} Row */

/** Slots kept. */
const KEPT = 200;
/** A stamp so much older than the proposal, in microseconds, is told and not drawn. */
const LONG_BEFORE = 10e6;

export class Slots {
  constructor() {
    /** @type {Map<number, Row>} */
    this.rows = new Map();
  }

  /**
   * @param {number} replica
   * @param {SlotLife} life
   */
  note(replica, life) {
    const row = this.rows.get(life.slot);
    if (row) {
      row.seen.set(replica, life);
      return;
    }
    if (this.rows.size >= KEPT) {
      const lowest = Math.min(...this.rows.keys());
      if (life.slot < lowest) return;
      this.rows.delete(lowest);
    }
    this.rows.set(life.slot, { slot: life.slot, seen: new Map([[replica, life]]) });
  }

  /**
   * The latest few, the latest first. Those that every replica of `replicas` told of come before others,
   * because they tell most.
   * @param {number} most
   * @param {number} replicas
   * @returns {Row[]}
   */
  latest(most, replicas) {
    const rows = [...this.rows.values()].sort((one, other) => other.slot - one.slot);
    const whole = rows.filter((row) => row.seen.size >= replicas);
    return (whole.length >= Math.min(most, 8) ? whole : rows).slice(0, most);
  }
}

/** All stamps of a life. @param {SlotLife} life @returns {number[]} */
function stamps(life) {
  const own = [life.packed, life.proposed, life.voted, life.decided, life.executed].filter((at) => at !== null);
  return [...own, ...life.votes.map(([, at]) => at)];
}

/** When a slot was first seen anywhere, and how long after that something was last heard of it. */
export function extent(row) {
  const all = [...row.seen.values()].flatMap(stamps);
  const proposed = [...row.seen.values()].map((life) => life.proposed).filter((at) => at !== null);
  const early = proposed.length > 0 ? Math.min(...proposed) - LONG_BEFORE : -Infinity;
  const drawn = all.filter((at) => at >= early);
  if (drawn.length === 0) return { from: 0, length: 0 };
  const from = Math.min(...drawn);
  return { from, length: Math.max(...drawn) - from };
}

/** Whether all who told of a slot have executed it. */
export function isDone(row) {
  return [...row.seen.values()].every((life) => life.executed !== null);
}

/** Who proposed a slot in its latest view, if somebody saw that. */
export function proposer(row) {
  const lives = [...row.seen.values()].filter((life) => life.proposer !== null);
  return lives.sort((one, other) => other.view - one.view)[0]?.proposer ?? null;
}

/**
 * The vote with which a replica had enough of them.
 * @param {SlotLife} life
 */
export function deciding(life) {
  return life.votes.find(([, when]) => when === life.decided) ?? null;
}
