// Frames, as they are read. Whatever comes, what leaves here has the shape that is shown: a field that
// is missing or of another type becomes an empty one, and what is no frame at all is refused in words.

/** The version of frames that this page reads. */
export const VERSION = 2;

/**
 * @typedef {{count: number, p50: number, p99: number, max: number}} Spread
 * @typedef {{name: string, kind: string | null, runs: number, recordsIn: number, recordsOut: number,
 *   batchesIn: number, batchesOut: number, rateIn: number, rateOut: number, busy: number,
 *   busyUs: number, run: Spread, frontier: number | null, inputs: Input[]}} Operator
 * @typedef {{from: string[], queued: number, tracked: boolean, held: {time: string, by: string, message: boolean,
 *   at: string}[]}} Input
 * @typedef {{from: string, to: string, kind: string, label: string | null, sent: number,
 *   queued: number, rate: number}} Channel
 * @typedef {{role: string, slot: number | null, held: number, bytes: number, wait: string, waitedUs: number}} Holding
 * @typedef {{operator: string, replica: number | null, slot: number | null, text: string}} Blame
 * @typedef {{slot: number, view: number, batch: {source: number, requests: number, bytes: number,
 *   runs: {client: number, first: number, last: number}[]} | null, packed: number | null,
 *   proposer: number | null, proposed: number | null, decided: number | null, voted: number | null, votes: [number, number][],
 *   executed: number | null}} SlotLife
 * @typedef {{at: number, kind: string, view: number | null, slot: number | null, text: string}} Happened
 * @typedef {{code: string, severity: string, replica: number | null, text: string,
 *   because: string[]}} Finding
 * @typedef {{memory: number | null, processors: number | null, threads: number | null, files: number | null,
 *   journal: number | null, free: number | null, packs: number | null, kept: {slot: number, bytes: number, age: number}[],
 *   syncs: {count: number, p50: number, p99: number} | null, full: boolean, fenced: boolean, cut: number,
 *   installed: number, redis: number, native: number, refused: number, waiting: number}} Machine
 * @typedef {{state: number | null, stateMax: number | null, copied: number, recent: number, sessions: number,
 *   waiting: number, links: number, journal: number}} Memory
 * @typedef {{slot: number, done: number, parts: number, bytes: number, fetched: boolean, ms: number}} Saving
 * @typedef {{replica: number, n: number, protocol: string, cluster: string, role: string, view: number,
 *   leader: number | null, executed: number, stable: number, lag: number, upMs: number, starts: number,
 *   durable: boolean, notReady: string[], program: string, machine: Machine, memory: Memory, saving: Saving | null, links: {peer: number, up: boolean,
 *   executed: number | null}[],
 *   number: number, at: number, windowUs: number, level: string, lost: number, requestRate: number,
 *   slotRate: number, latency: Spread, operators: Operator[], channels: Channel[],
 *   holdings: Holding[], blame: Blame[], slots: SlotLife[], happened: Happened[]}} Frame
 */

/** No cluster is larger. */
const REPLICAS_MAX = 64;
const TEXT_MAX = 600;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const number = (value) => (Number.isFinite(value) ? value : 0);
const perhaps = (value) => (Number.isFinite(value) ? value : null);
const inside = (value) => (isObject(value) ? value : {});

/** The numbers with these names, which scripts write in their own way: `up_ms` is `upMs`. */
function numbers(raw, ...names) {
  const own = (name) => name.replace(/_./g, (letters) => letters[1].toUpperCase());
  return Object.fromEntries(names.map((name) => [own(name), number(raw[name])]));
}

function text(value) {
  if (typeof value !== "string") return "";
  return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value;
}

function list(value, most, read) {
  return Array.isArray(value) ? value.slice(0, most).filter(isObject).map(read) : [];
}

/** Whether something can be the number of a replica. */
export function isReplica(value) {
  return Number.isInteger(value) && value >= 0 && value < REPLICAS_MAX;
}

/**
 * Reads a frame.
 * @param {any} raw
 * @returns {Frame}
 * @throws {Error} what is wrong with it
 */
export function readFrame(raw) {
  if (!isObject(raw)) throw new Error("something that is not a frame");
  if (raw.version !== VERSION) {
    throw new Error(`a frame of version ${text(String(raw.version))}; this page reads ${VERSION}`);
  }
  const status = raw.status;
  if (!isObject(status) || !isReplica(status.replica)) {
    throw new Error("a frame that does not say of which replica it is");
  }
  if (!Number.isFinite(raw.at_us)) throw new Error("a frame that does not say when it was taken");
  return {
    replica: status.replica,
    n: Math.min(Math.max(number(status.n), 1), REPLICAS_MAX),
    protocol: text(status.protocol),
    cluster: text(status.cluster),
    role: text(status.role),
    leader: perhaps(status.leader),
    ...numbers(status, "view", "executed", "stable", "lag", "up_ms", "starts"),
    durable: status.durable === true,
    notReady: list(status.not_ready, 16, (reason) => text(reason.text)),
    program: text(status.program),
    machine: readMachine(status),
    memory: readMemory(status.memory),
    saving: readSaving(inside(status.disk).saving),
    links: list(status.links, REPLICAS_MAX, (link) => ({
      peer: number(link.peer),
      up: link.up === true,
      executed: perhaps(link.peer_executed),
    })),
    at: raw.at_us,
    level: text(raw.level),
    ...numbers(raw, "number", "window_us", "lost", "request_rate", "slot_rate"),
    latency: readSpread(raw.latency),
    operators: list(raw.operators, 400, readOperator),
    channels: list(raw.channels, 1000, readChannel),
    holdings: list(raw.holdings, 100, readHolding),
    blame: list(raw.blame, 20, readBlame),
    slots: readSlots(raw.slots),
    happened: list(raw.happened, 200, readHappened),
  };
}

/** @returns {Machine} */
function readMachine(status) {
  const machine = inside(status.machine);
  const disk = isObject(status.disk) ? status.disk : null;
  const clients = inside(status.clients);
  return {
    memory: perhaps(machine.memory_bytes),
    processors: perhaps(machine.processors),
    threads: perhaps(machine.threads),
    files: perhaps(machine.open_files),
    journal: perhaps(machine.journal_bytes),
    free: perhaps(machine.free_bytes),
    packs: perhaps(machine.packs_bytes),
    kept: list(machine.checkpoints, 8, ({ slot, bytes, age_ms }) => ({
      slot: number(slot),
      bytes: number(bytes),
      age: number(age_ms),
    })),
    syncs: disk && { count: number(disk.recent_syncs), p50: number(disk.recent_median_us), p99: number(disk.recent_p99_us) },
    full: disk?.full === true,
    fenced: status.fenced === true,
    cut: number(status.checkpoints),
    installed: number(status.checkpoints_installed),
    redis: number(clients.redis),
    native: number(clients.native),
    refused: number(clients.refused),
    waiting: number(clients.waiting_bytes),
  };
}

/** @returns {Memory} */
function readMemory(raw) {
  const memory = inside(raw);
  return {
    state: perhaps(memory.state_bytes),
    stateMax: perhaps(memory.state_bytes_max),
    copied: number(memory.copied_bytes),
    recent: number(memory.recent_bytes),
    sessions: number(memory.sessions_bytes),
    waiting: number(memory.waiting_bytes),
    links: number(memory.links_bytes),
    journal: number(memory.journal_bytes),
  };
}

/** @returns {Saving | null} */
function readSaving(raw) {
  if (!isObject(raw)) return null;
  return {
    slot: number(raw.slot),
    done: number(raw.parts_done),
    parts: number(raw.parts),
    bytes: number(raw.bytes),
    fetched: raw.fetched === true,
    ms: number(raw.under_way_ms),
  };
}

/** @returns {Spread} */
function readSpread(raw) {
  const { count, p50_us, p99_us, max_us } = inside(raw);
  return { count: number(count), p50: number(p50_us), p99: number(p99_us), max: number(max_us) };
}

/** @returns {Operator} */
function readOperator(raw) {
  return {
    name: text(raw.name),
    kind: typeof raw.kind === "string" ? raw.kind : null,
    ...numbers(raw, "runs", "records_in", "records_out", "batches_in", "batches_out", "rate_in", "rate_out", "busy_us"),
    busy: Math.min(Math.max(number(raw.busy), 0), 1),
    run: readSpread(raw.run),
    frontier: perhaps(raw.frontier),
    inputs: list(raw.inputs, 50, readInput),
  };
}

/** @returns {Input} */
function readInput(raw) {
  return {
    from: Array.isArray(raw.from) ? raw.from.slice(0, 50).map(text) : [],
    queued: number(raw.queued),
    tracked: Array.isArray(raw.held),
    held: list(raw.held, 20, (held) => ({
      time: text(held.time),
      by: text(held.by),
      message: held.what === "message",
      at: text(held.at),
    })),
  };
}

/** @returns {Channel} */
function readChannel(raw) {
  return {
    from: text(raw.from),
    to: text(raw.to),
    kind: text(raw.kind),
    label: typeof raw.label === "string" ? text(raw.label) : null,
    ...numbers(raw, "sent", "queued", "rate"),
  };
}

/** @returns {Holding} */
function readHolding(raw) {
  return {
    role: text(raw.role),
    slot: perhaps(raw.slot),
    wait: waitInWords(raw.wait),
    ...numbers(raw, "held", "bytes", "waited_us"),
  };
}

/** What a role waits for, in words; nothing if it waits for nothing. */
function waitInWords(wait) {
  if (wait === "saving") return "its disk, which saves a checkpoint";
  const { role, proposal, word, to_lead, slots } = inside(wait);
  const whose = (list) =>
    Array.isArray(list) && list.length > 0
      ? `replica${list.length > 1 ? "s" : ""} ${list.slice(0, REPLICAS_MAX).map(number).join(", ")}`
      : "other replicas";
  if (typeof role === "string") return `the role ${text(role)}`;
  if (Number.isFinite(proposal)) return `the proposal of replica ${proposal}`;
  const heard = word ?? to_lead;
  if (isObject(heard)) {
    const several = Array.isArray(heard.of) && heard.of.length > 1;
    return `the ${text(heard.what)}${several ? "s" : ""} of ${whose(heard.of)}`;
  }
  if (slots) return `decided slots of ${whose(slots)}`;
  return "";
}

/** @returns {Blame} */
function readBlame(raw) {
  const { operator, replica, slot } = raw;
  return { operator: text(operator), replica: perhaps(replica), slot: perhaps(slot), text: text(raw.text) };
}

/** @returns {SlotLife[]} */
export function readSlots(raw) {
  return list(raw, 200, readSlot).filter((life) => life.slot >= 0);
}

/**
 * What a replica served at some moments, by the page's clock.
 * @returns {import("./store.js").Point[]}
 */
export function readPoints(raw, now) {
  return list(raw, 1200, ({ age_ms, request_rate, p50_us, p99_us }) => ({
    t: now - number(age_ms),
    rate: number(request_rate),
    p50: perhaps(p50_us),
    p99: perhaps(p99_us),
  }));
}

/** @returns {SlotLife} */
function readSlot(raw) {
  const batch = isObject(raw.batch) ? raw.batch : null;
  const votes = Array.isArray(raw.votes) ? raw.votes.slice(0, REPLICAS_MAX) : [];
  const isVote = (vote) => Array.isArray(vote) && isReplica(vote[0]) && Number.isFinite(vote[1]);
  return {
    slot: Number.isFinite(raw.slot) ? raw.slot : -1,
    view: number(raw.view),
    batch: batch && {
      source: number(inside(batch.id).source),
      requests: number(batch.requests),
      bytes: number(batch.bytes),
      runs: list(batch.runs, 8, ({ client, first, last }) => ({
        client: number(client),
        first: number(first),
        last: number(last),
      })),
    },
    packed: perhaps(raw.packed_at),
    proposer: perhaps(raw.proposer),
    proposed: perhaps(raw.proposed_at),
    voted: perhaps(raw.voted_at),
    votes: votes.filter(isVote).map(([replica, at]) => [replica, at]),
    decided: perhaps(raw.decided_at),
    executed: perhaps(raw.executed_at),
  };
}

/** @returns {Happened} */
export function readHappened(raw) {
  const { view, slot } = raw;
  return {
    at: number(raw.at_us),
    kind: text(raw.kind),
    view: perhaps(view),
    slot: perhaps(slot),
    text: text(raw.text),
  };
}

/**
 * Reads what is wrong with a cluster.
 * @returns {Finding[]}
 */
export function readFindings(raw) {
  return list(raw, 50, (finding) => ({
    code: text(finding.code),
    severity: text(finding.severity),
    replica: perhaps(finding.replica),
    text: text(finding.text),
    because: (Array.isArray(finding.because) ? finding.because : []).slice(0, 20).map(text),
  }));
}
