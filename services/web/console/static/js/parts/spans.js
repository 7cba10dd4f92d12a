// What a memory holds, as stretches of a timeline. Times are ms since 1970.

import { duration, ms, plain, time } from "../format.js";

/** @typedef {{kind: "whole" | "thinned" | "forgotten" | "gap", from: number, to: number, title: string}} Stretch */
/** @typedef {{from: number, to: number}} Window */

/**
 * When a camera's memory begins, and its newest frame; null before the first.
 * @param {Coverage} coverage
 * @returns {Window | null}
 */
export function reach(coverage) {
  if (!coverage.span) return null;
  const lost = coverage.lost ? ms(coverage.lost.start) : Infinity;
  const since = ms(coverage.watching_since ?? coverage.span.start);
  const to = ms(coverage.span.end);
  return { from: Math.min(since, lost, ms(coverage.span.start), to - 100), to };
}

/**
 * Later ones lie above earlier ones.
 * @param {Coverage} coverage
 * @returns {Stretch[]}
 */
export function stretches(coverage) {
  if (!coverage.span) return [];
  const whole = coverage.whole_since ? ms(coverage.whole_since) : Infinity;
  const end = ms(coverage.span.end);
  /** @type {Stretch[]} */
  const found = [
    stretch("thinned", ms(coverage.span.start), Math.min(whole, end), "Held in parts"),
  ];
  if (whole < end) found.push(stretch("whole", whole, end, "Held whole"));
  for (const span of coverage.forgotten) {
    found.push(stretch("forgotten", ms(span.start), ms(span.end), "Seen, and forgotten"));
  }
  for (const span of coverage.gaps) {
    const why = span.reason ? `: ${plain(span.reason)}` : "";
    found.push(stretch("gap", ms(span.start), ms(span.end), `Nothing was seen${why}`));
  }
  return found;
}

/**
 * @param {Stretch["kind"]} kind
 * @param {number} from
 * @param {number} to
 * @param {string} what
 * @returns {Stretch}
 */
function stretch(kind, from, to, what) {
  const title = `${what}, ${time(from)} to ${time(to)} (${duration((to - from) / 1000)})`;
  return { kind, from, to, title };
}

/**
 * Where something lies in a window, in percent; null outside.
 * @param {Window} window
 * @param {number} from
 * @param {number} to
 */
export function placed(window, from, to) {
  const length = window.to - window.from;
  const left = Math.max(0, (from - window.from) / length);
  const right = Math.min(1, (to - window.from) / length);
  if (right < 0 || left > 1 || right < left) return null;
  return { left: `${left * 100}%`, width: `${(right - left) * 100}%` };
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/**
 * Round moments in a window, for its axis.
 * @param {Window} window
 * @param {number} most
 */
export function moments(window, most) {
  const wanted = (window.to - window.from) / 1000 / most;
  const step = 1000 * (STEPS_S.find((one) => one >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400);
  const offset = new Date(window.from).getTimezoneOffset() * 60_000;
  const found = [];
  for (let at = Math.ceil((window.from - offset) / step) * step + offset; at <= window.to; at += step) {
    found.push(at);
  }
  return found;
}
