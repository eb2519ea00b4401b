// What happened, of all replicas, in the order of time.

/** @typedef {{replica: number | null, at: number, kind: string, text: string, routine: boolean}} Item */

/** Things kept, of those that matter and of those that happen all the time. */
const KEPT = { notable: 400, routine: 100 };
const ROUTINE = new Set(["checkpointed", "stable", "saved", "executed", "digest", "holds", "duplicates"]);

export class Story {
  constructor() {
    /** @type {Item[]} */
    this.notable = [];
    /** @type {Item[]} */
    this.routine = [];
  }

  /**
   * @param {number | null} replica nothing if it happened to no replica alone
   * @param {{at: number, kind: string, text: string}} happened
   */
  note(replica, { at, kind, text }) {
    const routine = ROUTINE.has(kind);
    const list = routine ? this.routine : this.notable;
    let place = list.length;
    while (place > 0 && list[place - 1].at > at) place -= 1;
    // A frame may tell what was told already.
    for (let same = place - 1; same >= 0 && list[same].at === at; same -= 1) {
      if (list[same].replica === replica && list[same].text === text) return;
    }
    list.splice(place, 0, { replica, at, kind, text, routine });
    if (list.length > (routine ? KEPT.routine : KEPT.notable)) list.shift();
  }

  /**
   * The latest few, the latest first.
   * @param {number} most
   * @param {boolean} all whether with what happens all the time
   * @param {number | null} of only of this replica
   */
  latest(most, all, of = null) {
    const told = all ? [...this.notable, ...this.routine] : [...this.notable];
    const items = told.filter(({ replica }) => of === null || replica === of);
    return items.sort((one, other) => other.at - one.at).slice(0, most);
  }
}
