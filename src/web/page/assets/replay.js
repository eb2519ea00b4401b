// A recorded run, played: at any speed, to and fro.

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./recording.js").Recording} Recording */

/** How often time is moved on, in milliseconds. */
const TICK = 50;

export class Replay {
  /**
   * @param {Store} store
   * @param {Recording} recording
   * @param {any} graph
   * @param {() => void} changed
   */
  constructor(store, recording, graph, changed) {
    this.store = store;
    this.steps = recording.steps;
    this.faults = recording.faults;
    this.picture = graph;
    this.changed = changed;
    this.first = this.steps[0]?.frame.at ?? 0;
    this.last = this.steps[this.steps.length - 1]?.frame.at ?? 0;
    /** Where it is, in microseconds of the recording. */
    this.position = this.first;
    /** Steps taken. */
    this.taken = 0;
    /** Faults told. */
    this.told = 0;
    this.speed = 1;
    this.playing = false;
  }

  now() {
    return this.position / 1000;
  }

  /** A recording is always there. */
  lost() {
    return 0;
  }

  /** Nothing can be done to a recording. @returns {Promise<string[]>} */
  async paths() {
    return [];
  }

  /** Nobody tells them. */
  async settings() {
    return null;
  }

  async graph() {
    return this.picture;
  }

  start() {
    this.move(this.first);
    this.play(true);
    let before = performance.now();
    setInterval(() => {
      const now = performance.now();
      const passed = now - before;
      before = now;
      if (!this.playing) return;
      this.move(this.position + passed * 1000 * this.speed);
      if (this.position >= this.last) this.play(false);
    }, TICK);
  }

  /** Goes on, or stops. At its end it begins again. */
  play(playing) {
    if (playing && this.position >= this.last) this.move(this.first);
    this.playing = playing;
    this.changed();
  }

  /** Goes to a moment. What lies before it is told again from the start if that is needed. */
  move(position) {
    const to = Math.min(Math.max(position, this.first), this.last);
    if (to < this.position) {
      this.store.clear();
      [this.taken, this.told] = [0, 0];
    }
    this.position = to;
    for (; this.taken < this.steps.length; this.taken += 1) {
      const { frame, findings } = this.steps[this.taken];
      if (frame.at > to) break;
      this.store.frame(frame, frame.at / 1000);
      if (findings) this.store.judge(findings);
    }
    for (; this.told < this.faults.length && this.faults[this.told].at <= to; this.told += 1) {
      const { at, replica, text } = this.faults[this.told];
      this.store.story.note(replica, { at, kind: "fault", text });
    }
    this.changed();
  }

  /** Goes to the next moment with a frame, or to the one before. */
  stride(forward) {
    this.play(false);
    const times = this.steps.map((step) => step.frame.at);
    const next = forward
      ? times.find((at) => at > this.position)
      : times.findLast((at) => at < this.position);
    if (next !== undefined) this.move(next);
  }
}
