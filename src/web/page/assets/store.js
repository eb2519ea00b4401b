// All that the page knows. What arrives is put here, what is shown is read from here, and nothing in
// here grows with time.

import { Slots } from "./slots.js";
import { Story } from "./story.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./frame.js").Finding} Finding */
/** @typedef {{frame: Frame | null, arrived: number, silence: string, ended: boolean}} Sighting */
/** @typedef {{t: number, rate: number, p50: number | null, p99: number | null}} Point */

/** Whether a frame is one that was taken before another, and comes again. */
function isOlder(frame, other) {
  if (frame.starts !== other.starts) return frame.starts < other.starts;
  return frame.number < other.number && frame.at < other.at;
}

/** Points kept of each replica: five minutes of four a second. */
const POINTS = 1200;
/** Points of the past that are nearer than this to one that is known tell nothing new, in milliseconds. */
const APART = 800;

export class Store {
  constructor() {
    this.clear();
    /** Frames that could not be read, and why the last of them could not. */
    this.skipped = { count: 0, why: "" };
  }

  /** Forgets everything, as before the first frame. */
  clear() {
    /** @type {Map<number, Sighting>} */
    this.live = new Map();
    /** @type {Map<number, Sighting> | null} */
    this.held = null;
    /** @type {Finding[]} */
    this.findings = [];
    /** Whether anybody has said what is wrong. */
    this.judged = false;
    this.slots = new Slots();
    this.story = new Story();
    /** @type {Map<number, Point[]>} */
    this.series = new Map();
    this.n = 0;
  }

  /** What is to be shown: what is known, or what was known when it was held. */
  get shown() {
    return this.held ?? this.live;
  }

  /** Shows from now on what is known now, or again what is known then. */
  hold(held) {
    this.held = held ? new Map([...this.live].map(([key, value]) => [key, { ...value }])) : null;
  }

  /**
   * @param {Frame} frame
   * @param {number} arrived when, in milliseconds of the page's clock
   */
  frame(frame, arrived) {
    const watched = [...this.live.values()].find((seen) => seen.frame)?.frame;
    // Another cluster has taken the place of the one that was watched.
    if (watched && watched.cluster !== frame.cluster) this.clear();
    const before = this.live.get(frame.replica);
    if (before?.frame && before.frame.at === frame.at && before.frame.number === frame.number) return;
    if (before?.frame && isOlder(frame, before.frame)) return;
    this.live.set(frame.replica, { frame, arrived, silence: "", ended: false });
    this.n = Math.max(frame.n, frame.replica + 1, this.n);
    for (const life of frame.slots) this.slots.note(frame.replica, life);
    for (const happened of frame.happened) this.story.note(frame.replica, happened);
    const points = this.series.get(frame.replica) ?? [];
    this.series.set(frame.replica, points);
    const { count, p50, p99 } = frame.latency;
    const known = count > 0;
    points.push({ t: arrived, rate: frame.requestRate, p50: known ? p50 : null, p99: known ? p99 : null });
    if (points.length > POINTS) points.shift();
  }

  /**
   * Takes up what a replica served before it was heard here, or while it was not.
   * @param {number} replica
   * @param {Point[]} points
   */
  remember(replica, points) {
    const known = this.series.get(replica) ?? [];
    const isNews = ({ t }) => !known.some((point) => Math.abs(point.t - t) < APART);
    const all = [...points.filter(isNews), ...known].sort((one, other) => one.t - other.t);
    this.series.set(replica, all.slice(-POINTS));
  }

  /** @param {Finding[]} findings */
  judge(findings) {
    this.findings = findings;
    this.judged = true;
  }

  /** Notes why nothing is heard of a replica. */
  silence(replica, why, ended = false) {
    const before = this.live.get(replica);
    if (before) Object.assign(before, { silence: why, ended });
    else this.live.set(replica, { frame: null, arrived: 0, silence: why, ended });
    this.n = Math.max(this.n, replica + 1);
  }

  /** Notes that something could not be read. */
  skip(why) {
    this.skipped = { count: this.skipped.count + 1, why };
  }

  /** The replicas there are, seen or not. @returns {number[]} */
  replicas() {
    return Array.from({ length: this.n }, (_, replica) => replica);
  }

  /** The latest frame of a replica. @returns {Frame | null} */
  frameOf(replica) {
    return this.shown.get(replica)?.frame ?? null;
  }
}
