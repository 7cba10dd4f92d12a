// One question to many cameras, and what each of them answers.

import { signal } from "../vendor/signals.js";
import { stream } from "./api.js";
import { noteAnswer } from "./answer-times.js";
import { bodyOf } from "./conversation.js";
import { said } from "./problem.js";

/** @typedef {{id: string, text: string, answer: Answer | null, fault: string}} Card */

/**
 * @typedef {object} RoundRecord
 * @property {import("./conversation.js").Asked} asked
 * @property {"open" | "done" | "failed" | "stopped"} state
 * @property {Map<string, Card>} cards
 * @property {Card | null} merged
 * @property {string} fault
 */

/** The last round; null before the first. */
export const round = signal(/** @type {RoundRecord | null} */ (null));

let leaving = new AbortController();

export function stopRound() {
  leaving.abort();
}

/**
 * @param {string[]} ids
 * @param {import("./conversation.js").Asked} asked
 * @param {boolean} merge
 */
export async function askMany(ids, asked, merge) {
  stopRound();
  const mine = new AbortController();
  leaving = mine;
  const cards = new Map(ids.map((id) => [id, empty(id)]));
  let merged = merge ? empty("") : null;
  /** @type {RoundRecord["state"]} */
  let state = "open";
  let fault = "";
  let drawing = 0;
  const show = () => {
    drawing = 0;
    if (leaving === mine) round.value = { asked, state, cards: new Map(cards), merged, fault };
  };
  // Hundreds of cameras write at once: they are drawn together.
  const soon = () => (drawing ||= requestAnimationFrame(show));
  show();
  try {
    const body = { cameras: ids, merge, ...bodyOf(asked) };
    for await (const { name, data } of stream("/ask", body, { signal: mine.signal })) {
      if (name === "end") break;
      const before = data.camera_id ? (cards.get(data.camera_id) ?? empty(data.camera_id)) : (merged ?? empty(""));
      const after = { ...before };
      if (name === "delta") after.text += data.text;
      if (name === "answer") {
        after.answer = data.answer;
        after.text = data.answer.text;
        if (data.camera_id) noteAnswer(data.camera_id, data.answer);
      }
      if (name === "error") after.fault = data.error.detail;
      if (data.camera_id) cards.set(data.camera_id, after);
      else merged = after;
      soon();
    }
    state = "done";
  } catch (error) {
    state = mine.signal.aborted ? "stopped" : "failed";
    fault = state === "failed" ? said(error) : "";
  }
  cancelAnimationFrame(drawing);
  show();
}

/**
 * @param {string} id
 * @returns {Card}
 */
const empty = (id) => ({ id, text: "", answer: null, fault: "" });
