// A running cluster, as one of its nodes tells of it.

import { isReplica, readFindings, readFrame, readHappened, readPoints, readSlots } from "./frame.js";

/** How long to wait before the node is asked again, in milliseconds. */
const AGAIN_AFTER = 1000;
/** A node that says nothing for so long is not there, whatever the connection looks like. */
const QUIET_MAX = 4000;

/** @typedef {import("./store.js").Store} Store */

export class Live {
  /**
   * @param {Store} store
   * @param {() => void} changed
   */
  constructor(store, changed) {
    this.store = store;
    this.changed = changed;
    this.heard = 0;
    /** When the connection was lost, or was not there yet. */
    this.lostAt = Date.now();
    /** @type {EventSource | null} */
    this.events = null;
  }

  now() {
    return Date.now();
  }

  /** How long there has been no word of the node, in milliseconds; 0 while there is. */
  lost() {
    if (this.lostAt !== null) return Math.max(Date.now() - this.lostAt, 1);
    const quiet = Date.now() - this.heard;
    return quiet > QUIET_MAX ? quiet : 0;
  }

  /** What this node offers: the paths it lists. @returns {Promise<string[]>} */
  async paths() {
    const index = await ask("/v1");
    const paths = Array.isArray(index?.paths) ? index.paths : [];
    return paths.map((entry) => String(entry?.path));
  }

  /** The graph of a replica, with a place for everything. */
  graph() {
    return ask("/v1/graph");
  }

  /** The settings of this node. @returns {Promise<{replica: number, settings: {name: string, value: string}[]} | null>} */
  async settings() {
    const told = await ask("/v1/settings");
    if (!isReplica(told?.replica) || !Array.isArray(told.settings)) return null;
    const settings = told.settings.slice(0, 200).map((each) => ({ name: String(each?.name), value: String(each?.value).slice(0, 200) }));
    return { replica: told.replica, settings };
  }

  start() {
    this.scene();
    this.past();
    this.minutes();
    this.lives();
    const events = new EventSource("/v1/events");
    this.events = events;
    events.onopen = () => {
      this.lostAt = null;
      this.heard = Date.now();
      this.changed();
    };
    events.onerror = () => {
      // The browser's own attempts end for good at some answers; ours do not.
      events.close();
      this.lostAt ??= Date.now();
      this.changed();
      setTimeout(() => this.start(), AGAIN_AFTER);
    };
    this.listen(events, "frame", (raw) => this.store.frame(readFrame(raw), Date.now()));
    this.listen(events, "findings", (raw) => this.store.judge(readFindings(raw)));
    this.listen(events, "silence", (raw) => this.silence(raw));
  }

  /** Ages, silences and findings as they were before this page was there. */
  async scene() {
    const scene = await ask("/v1/scene");
    if (!Array.isArray(scene?.replicas)) return;
    for (const sighting of scene.replicas) {
      if (!isReplica(sighting?.replica)) continue;
      const age = Number.isFinite(sighting.age_us) ? sighting.age_us / 1000 : 0;
      if (sighting.frame) this.read(() => this.store.frame(readFrame(sighting.frame), Date.now() - age));
      if (sighting.silence) this.silence({ replica: sighting.replica, text: sighting.silence, ended: sighting.ended });
    }
    this.store.judge(readFindings(scene.findings));
    this.changed();
  }

  /** What happened in this node's replica before this page was there. */
  async past() {
    const past = await ask("/v1/events");
    if (!isReplica(past?.replica) || !Array.isArray(past.happened)) return;
    for (const happened of past.happened) {
      this.read(() => this.store.story.note(past.replica, readHappened(happened ?? {})));
    }
    this.changed();
  }

  /** What all replicas served before this page was there, or while it heard nothing. */
  async minutes() {
    const history = await ask("/v1/history");
    if (!Array.isArray(history?.replicas)) return;
    for (const { replica, points } of history.replicas) {
      if (isReplica(replica)) this.store.remember(replica, readPoints(points, Date.now()));
    }
    this.changed();
  }

  /** The slots that this node's replica remembers. */
  async lives() {
    const told = await ask("/v1/slots");
    if (!isReplica(told?.replica)) return;
    for (const life of readSlots(told.slots)) this.store.slots.note(told.replica, life);
    this.changed();
  }

  silence(raw) {
    if (isReplica(raw?.replica) && typeof raw.text === "string") {
      this.store.silence(raw.replica, raw.text.slice(0, 400), raw.ended === true);
    }
  }

  listen(events, name, take) {
    events.addEventListener(name, (event) => {
      this.heard = Date.now();
      this.read(() => take(JSON.parse(event.data)));
      this.changed();
    });
  }

  read(take) {
    try {
      take();
    } catch (error) {
      this.store.skip(error instanceof SyntaxError ? "something that is not JSON" : error.message);
    }
  }
}

/** The answer to a question; nothing if there is none. */
async function ask(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
