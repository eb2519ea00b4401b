// The latest of many: what makes a page that is left open for a day stay as small as it was.

/** @template T */
export class Ring {
  /** @param {number} most how many are kept */
  constructor(most) {
    this.most = most;
    /** @type {T[]} */
    this.kept = [];
    this.next = 0;
  }

  /** @param {T} item */
  push(item) {
    if (this.kept.length < this.most) this.kept.push(item);
    else this.kept[this.next] = item;
    this.next = (this.next + 1) % this.most;
  }

  /** The oldest first. @returns {T[]} */
  all() {
    if (this.kept.length < this.most) return this.kept;
    return [...this.kept.slice(this.next), ...this.kept.slice(0, this.next)];
  }

  /** @returns {T | undefined} */
  last() {
    return this.kept[(this.next + this.most - 1) % this.most];
  }
}
