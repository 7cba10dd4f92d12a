// How long the answers took that were asked for in this browser.

import { signal } from "../vendor/signals.js";

const KEPT = 200;

/** @typedef {{cameraId: string, at: number, model: string, tokens: number, timings: Timings}} AnswerTime */

/** The newest first. */
export const answerTimes = signal(/** @type {AnswerTime[]} */ ([]));

/**
 * @param {string} cameraId
 * @param {Answer} answer
 */
export function noteAnswer(cameraId, answer) {
  const entry = {
    cameraId,
    at: Date.now(),
    model: answer.model,
    tokens: answer.answer_tokens,
    timings: answer.timings,
  };
  answerTimes.value = [entry, ...answerTimes.peek()].slice(0, KEPT);
}

/**
 * The value below which this share of them lies.
 * @param {number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
