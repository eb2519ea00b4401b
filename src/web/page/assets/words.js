// Numbers, durations and moments, as people read them.

const NARROW = "\u202f";

/** @type {[number, string][]} */
const UNITS = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** A count in few characters: 950, 4.0k, 12k, 3.1M. @param {number} value */
export function count(value) {
  const size = Math.abs(value);
  if (size < 9.95 && !Number.isInteger(value)) return value.toFixed(1);
  const found = UNITS.find(([unit]) => size >= unit * 0.9995);
  if (!found) return value.toFixed(0);
  const [unit, name] = found;
  return (value / unit).toFixed(size / unit < 9.95 ? 1 : 0) + name;
}

/** All digits, in groups of three. */
export function exact(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);
}

/** Microseconds as a duration of three digits or so: 600 µs, 2.04 ms, 1.3 s, 4 min. */
export function lasting(us) {
  const size = Math.abs(us);
  if (size < 1000) return `${us.toFixed(0)} µs`;
  if (size < 1e6) return `${(us / 1e3).toFixed(size < 1e4 ? 2 : size < 1e5 ? 1 : 0)} ms`;
  if (size < 12e7) return `${(us / 1e6).toFixed(size < 1e7 ? 1 : 0)} s`;
  if (size < 72e8) return `${(us / 6e7).toFixed(0)} min`;
  return `${(us / 36e8).toFixed(0)} h`;
}

/** A share from 0 to 1 in percent. */
export function percent(share) {
  const hundredths = share * 100;
  return `${hundredths.toFixed(hundredths >= 0.05 && hundredths < 9.95 ? 1 : 0)} %`;
}

/** How long ago something was, in milliseconds. @param {number} ms */
export function ago(ms) {
  return ms < 1000 ? "now" : `${lasting(ms * 1000)} ago`;
}

/** A moment in microseconds since 1970 by the reader's clock. */
export function moment(us) {
  const date = new Date(us / 1000);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (value) => String(value).padStart(2, "0");
  const day = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Names joined as in a sentence. */
export function names(list) {
  if (list.length < 2) return list.join("");
  return `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
}

/** One of something, or several. */
export function several(number, one, many = `${one}s`) {
  return `${exact(number)} ${number === 1 ? one : many}`;
}

/** Bytes in a unit of their size: 512 B, 1.5 MiB. */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 0), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value.toFixed(power > 0 && value < 9.95 ? 1 : 0)} ${units[power]}`;
}
