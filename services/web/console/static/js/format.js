// Figures and times for people.

const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const WHOLE = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

/** @param {string | number | null | undefined} moment */
export function ms(moment) {
  if (moment === null || moment === undefined) return NaN;
  return typeof moment === "number" ? moment : Date.parse(moment);
}

/**
 * The time of day; with the day, unless that is today.
 * @param {string | number} moment
 */
export function time(moment) {
  const date = new Date(ms(moment));
  const today = date.toDateString() === new Date().toDateString();
  return today ? TIME.format(date) : `${DAY.format(date)}, ${TIME.format(date)}`;
}

/** @param {string | number} moment */
export function clock(moment) {
  return TIME.format(new Date(ms(moment)));
}

/** @param {string | number} moment */
export function whole(moment) {
  return WHOLE.format(new Date(ms(moment)));
}

/**
 * How long, in at most two units: `12 s`, `3 min 20 s`, `2 d 4 h`.
 * @param {number} seconds
 */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(s < 0.95 ? 2 : 1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return two(minutes, "min", Math.floor(s % 60), "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return two(hours, "h", minutes % 60, "min");
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

/**
 * @param {number} large
 * @param {string} unit
 * @param {number} small
 * @param {string} part
 */
function two(large, unit, small, part) {
  return small && large < 10 ? `${large} ${unit} ${small} ${part}` : `${large} ${unit}`;
}

/**
 * @param {string | number} moment
 * @param {number} now
 */
export function ago(moment, now) {
  const seconds = (now - ms(moment)) / 1000;
  if (seconds < 1.5) return "now";
  return `${duration(seconds < 10 ? Math.round(seconds) + 0.001 : seconds).replace(".0", "")} ago`;
}

/** @param {number} count */
export function bytes(count) {
  let size = count;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (size < 1024) return `${unit === "B" ? size : size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} GiB`;
}

/** @param {number} share */
export function percent(share) {
  const hundred = share * 100;
  return `${hundred > 0 && hundred < 1 ? "<1" : hundred > 99 && hundred < 100 ? ">99" : Math.round(hundred)} %`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/**
 * A word of the API for people: `lost_packets` is `lost packets`.
 * @param {string} text
 */
export function plain(text) {
  return text.replaceAll("_", " ");
}
