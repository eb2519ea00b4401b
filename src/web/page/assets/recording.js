// A recorded run: lines of JSON, the first of which says what they are, and the last that nothing was
// cut off.

import { isReplica, readFindings, readFrame } from "./frame.js";

/** The version of recordings that this page reads. */
const VERSION = 1;

/**
 * @typedef {{frame: import("./frame.js").Frame, findings: import("./frame.js").Finding[] | null}} Step
 * @typedef {{at: number, replica: number | null, text: string}} Fault
 * @typedef {{title: string, steps: Step[], faults: Fault[], problems: string[]}} Recording
 */

/**
 * Reads a recording. What cannot be read is left out, and said.
 * @param {string} text
 * @returns {Recording}
 */
export function readRecording(text) {
  const lines = text.split("\n").map((line) => line.trim());
  while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
  const [head, ...rest] = lines.map(parsed);
  const version = head?.taraflow_trace;
  if (version !== VERSION) {
    const what = version === undefined ? "This is not a recording" : `This recording is of version ${String(version)}`;
    return { title: "", steps: [], faults: [], problems: [`${what}; this page reads recordings of version ${VERSION}.`] };
  }
  const recording = { title: title(head), steps: [], faults: [], problems: [] };
  const last = rest[rest.length - 1];
  const isWhole = last?.end === true;
  const skipped = [];
  for (const [at, line] of (isWhole ? rest.slice(0, -1) : rest).entries()) {
    try {
      if (line === undefined) throw new Error("something that is not JSON");
      if (line.fault) recording.faults.push(fault(line.fault));
      else recording.steps.push(step(line));
    } catch (error) {
      skipped.push(`line ${at + 2}: ${error.message}`);
    }
  }
  const read = recording.steps.length;
  if (!isWhole) {
    recording.problems.push(`This recording was cut: its last line is missing. ${read} frames could be read.`);
  } else if (Number.isFinite(last.frames) && last.frames !== read + skipped.length) {
    recording.problems.push(`This recording should hold ${last.frames} frames and holds ${read}.`);
  }
  if (skipped.length > 0) {
    recording.problems.push(`${skipped.length} lines were skipped; the first, ${skipped[0]}.`);
  }
  recording.steps.sort((one, other) => one.frame.at - other.frame.at);
  recording.faults.sort((one, other) => one.at - other.at);
  return recording;
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A line: a frame, or a frame and what was wrong with the cluster then. */
function step(line) {
  const { frame, findings } = line?.frame ? line : { frame: line, findings: null };
  return { frame: readFrame(frame), findings: Array.isArray(findings) ? readFindings(findings) : null };
}

/** What was done to the run. */
function fault({ at_us, replica, text }) {
  if (!Number.isFinite(at_us)) throw new Error("a fault that does not say when it was");
  return { at: at_us, replica: isReplica(replica) ? replica : null, text: String(text).slice(0, 200) };
}

function title(head) {
  const seed = Number.isFinite(head.seed) ? `, seed ${head.seed}` : "";
  return `${String(head.protocol ?? "a run").slice(0, 60)}${seed}`;
}
