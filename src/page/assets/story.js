// What happened, of all replicas, in the order of time.

/** @typedef {{replica: number, at: number, kind: string, text: string, routine: boolean, times: number}} Item */

/** Things kept, of those that matter and of those that happen all the time. */
const KEPT = { notable: 400, routine: 100 };
const ROUTINE = new Set(["checkpointed", "stable", "saved", "executed", "digest", "holds", "duplicates"]);

export class Story {
  constructor() {
    /** @type {Item[]} */
    this.notable = [];
    /** @type {Item[]} */
    this.routine = [];
    this.changes = 0;
  }

  /**
   * @param {number} replica
   * @param {import("./frame.js").Happened} happened
   */
  note(replica, { at, kind, text }) {
    const routine = ROUTINE.has(kind);
    const list = routine ? this.routine : this.notable;
    let place = list.length;
    while (place > 0 && list[place - 1].at > at) place -= 1;
    list.splice(place, 0, { replica, at, kind, text, routine, times: 1 });
    if (list.length > (routine ? KEPT.routine : KEPT.notable)) list.shift();
    this.changes += 1;
  }

  /**
   * The latest few, the latest first.
   * @param {number} most
   * @param {boolean} all whether with what happens all the time
   */
  latest(most, all) {
    const items = all ? [...this.notable, ...this.routine] : [...this.notable];
    return items.sort((one, other) => other.at - one.at).slice(0, most);
  }
}
