// Puts the page together: where frames come from, what is shown of them, and who asked for what.

import { chartsView } from "./charts-view.js";
import { clusterView } from "./cluster-view.js";
import { TABS, help, keys, tabs } from "./controls.js";
import { holderOf } from "./differs.js";
import { at, el, refill, say, set } from "./dom.js";
import { faultsView } from "./faults.js";
import { findingsView } from "./findings-view.js";
import { graphSwitches, graphView } from "./graph-view.js";
import { Live } from "./live.js";
import { machineView } from "./machine-view.js";
import { operatorView } from "./operator-view.js";
import { player } from "./player.js";
import { readRecording } from "./recording.js";
import { Replay } from "./replay.js";
import { slotsView } from "./slots-view.js";
import { Store } from "./store.js";
import { storyView } from "./story-view.js";
import { exact, lasting, moment, several } from "./words.js";

/** The name under which the choice of dark or light is stored. */
const THEME_KEY = "taraflow-theme";
/** The page is drawn at most this often, in milliseconds: faster than frames come, slower than eyes. */
const DRAWN_EVERY = 120;

class App {
  constructor() {
    this.store = new Store();
    this.ui = { tab: TABS[0], replica: null, everyone: false, operator: null, all: false, close: false, routine: false, paused: false };
    /** @type {Map<string, string>} */
    this.notices = new Map();
    /** What draws; of those that belong to a tab, only those of the open one do. @type {{draw: () => void, tab?: string}[]} */
    this.views = [];
    this.drawnAt = 0;
    this.waiting = false;
    const recording = document.getElementById("recording");
    this.source = recording ? this.replay(recording) : new Live(this.store, () => this.changed());
  }

  /** A page that was made for a recording carries it. */
  replay(place) {
    const recording = readRecording(place.textContent ?? "");
    this.title = recording.title;
    recording.problems.forEach((problem, number) => this.notices.set(`recording ${number}`, problem));
    const graph = JSON.parse(document.getElementById("recorded-graph")?.textContent || "null");
    return new Replay(this.store, recording, graph, () => this.changed());
  }

  start() {
    this.theme = themes(() => this.changed());
    this.help = help();
    const views = [findingsView, clusterView, tabs, graphSwitches, graphView, operatorView, slotsView, chartsView, storyView, machineView];
    this.views = views.map((view) => view(this));
    this.views.push(faultsView(this));
    if (this.source instanceof Replay) this.views.push(player(this));
    keys(this);
    at("pause").addEventListener("click", () => this.pause());
    at("theme").addEventListener("click", () => this.theme.toggle());
    addEventListener("resize", () => this.changed());
    addEventListener("hashchange", () => this.follow());
    this.follow();
    this.source.start();
    // Ages grow while nothing arrives.
    setInterval(() => this.changed(), 500);
  }

  /** Shows the view that the address names. */
  follow() {
    const named = location.hash.slice(1);
    if (TABS.includes(named)) this.ui.tab = named;
    this.changed();
  }

  /** Something is to be drawn: soon, and once, however much it is. */
  changed() {
    if (this.waiting) return;
    this.waiting = true;
    const wait = Math.max(0, this.drawnAt + DRAWN_EVERY - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  draw() {
    this.waiting = false;
    this.drawnAt = performance.now();
    const { ui, store } = this;
    if (ui.replica === null || ui.replica >= store.n) ui.replica = this.leader();
    this.drawHead();
    this.drawNotices();
    for (const view of this.views) if ((view.tab ?? ui.tab) === ui.tab) view.draw();
  }

  /** The frames that the graph shows: of one replica, or of all. */
  frames() {
    const chosen = this.ui.everyone ? this.store.replicas() : [this.ui.replica ?? 0];
    return chosen.map((replica) => this.store.frameOf(replica)).filter(Boolean);
  }

  /** The replica that leads the highest view. */
  leader() {
    const frames = [...this.store.shown.values()].map((sighting) => sighting.frame).filter(Boolean);
    const highest = frames.reduce((best, frame) => (best && best.view >= frame.view ? best : frame), null);
    return highest?.leader ?? null;
  }

  /** A moment, as the source's clock has it. */
  moment(us) {
    if (this.source instanceof Replay) return `${((us - this.source.first) / 1e6).toFixed(3)} s`;
    return moment(us);
  }

  choose(replica) {
    if (replica >= this.store.n) return;
    // What is about one replica stays open when another is chosen.
    const tab = this.ui.tab === "machine" ? this.ui.tab : TABS[0];
    this.show({ replica, everyone: false, tab });
  }

  /** Changes what is shown, and how. */
  show(changes) {
    Object.assign(this.ui, changes);
    this.changed();
  }

  select(operator) {
    this.show({ operator });
  }

  selectHolder() {
    const [frame] = this.frames();
    this.select((frame && holderOf(frame)?.operator) ?? null);
  }

  open(tab) {
    history.replaceState(null, "", `#${tab}`);
    this.show({ tab });
  }

  pause() {
    if (this.source instanceof Replay) {
      this.source.play(!this.source.playing);
      return;
    }
    this.ui.paused = !this.ui.paused;
    this.store.hold(this.ui.paused);
    this.changed();
  }

  notice(key, text) {
    if (text) this.notices.set(key, text);
    else this.notices.delete(key);
    this.changed();
  }

  drawHead() {
    const { ui, store } = this;
    const frame = [...store.shown.values()].map((sighting) => sighting.frame).find(Boolean);
    const cluster = frame ? `${frame.protocol} · ${several(frame.n, "replica")} · cluster ${frame.cluster}` : "";
    say(at("subject"), this.title ? `${this.title} · ${frame ? several(frame.n, "replica") : "nothing to show"}` : cluster);
    const replaying = this.source instanceof Replay;
    at("pause").hidden = replaying;
    set(at("pause"), "aria-pressed", String(ui.paused));
    say(at("pause"), ui.paused ? "Resume" : "Pause");
    const lost = this.source.lost();
    const state = replaying ? "recorded" : lost > 0 ? "lost" : ui.paused ? "paused" : "live";
    set(at("connection"), "data-state", state);
    const words = { recorded: "a recording", live: "live", paused: "paused, still receiving", lost: "disconnected" };
    say(at("connection"), words[state]);
    // Beside what is read out loud, which would begin anew each second.
    say(at("lost-for"), state === "lost" ? `for ${lasting(Math.floor(lost / 1000) * 1e6)}` : "");
    document.title = this.headline(frame);
  }

  /** The state of the cluster in the title, for who has the page in a tab at the back. */
  headline(frame) {
    const [worst] = this.store.findings;
    const what = worst ? `${worst.severity}: ${worst.text}` : frame ? `view ${exact(frame.view)}` : "";
    return [what, "taraflow"].filter(Boolean).join(" · ");
  }

  drawNotices() {
    const { count, why } = this.store.skipped;
    const skipped = count > 0 ? [`${several(count, "frame")} could not be read and were skipped; the last was ${why}.`] : [];
    const texts = [...this.notices.values(), ...skipped];
    refill(at("notices"), JSON.stringify(texts), () => texts.map((text) => el("p", { text })));
  }
}

/** Dark or light: as the system has it, until somebody chooses. @param {() => void} changed */
function themes(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const chosen = storedTheme();
  if (chosen) root.dataset.theme = chosen;
  system.addEventListener("change", changed);

  function toggle() {
    const dark = (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    storeTheme(root.dataset.theme);
    changed();
  }

  return { toggle };
}

// A page from a file may have no place to remember anything.
function storedTheme() {
  try {
    const value = localStorage.getItem(THEME_KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null;
  }
}

function storeTheme(value) {
  try {
    localStorage.setItem(THEME_KEY, value);
  } catch {
    // Then it holds until the page is closed.
  }
}

new App().start();
