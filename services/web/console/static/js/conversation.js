// Questions about one camera, and their answers as they are written.

import { signal } from "../vendor/signals.js";
import { stream } from "./api.js";
import { noteAnswer } from "./answer-times.js";
import { Problem, said } from "./problem.js";

const EVIDENCE_FRAMES = 3;
const MOST_TURNS = 8;

/**
 * @typedef {object} Asked
 * @property {string} question
 * @property {"text" | "yes_no" | "choices"} kind
 * @property {string[]} choices
 * @property {SpanInput} span
 * @property {string} spanWords
 * @property {boolean} evidence
 */

/**
 * @typedef {object} Exchange
 * @property {number} number
 * @property {Asked} asked
 * @property {"open" | "done" | "failed" | "stopped"} state
 * @property {string} text
 * @property {Answer | null} answer
 * @property {string} fault
 */

/** @typedef {import("../vendor/signals-core.js").Signal<Exchange[]>} Exchanges */

/** @type {Map<string, Exchanges>} */
const conversations = new Map();
/** @type {Map<string, AbortController>} */
const running = new Map();
let count = 0;

/**
 * The conversation about a camera; it stays while the page does.
 * @param {string} cameraId
 * @returns {Exchanges}
 */
export function conversationOf(cameraId) {
  let found = conversations.get(cameraId);
  if (!found) {
    found = signal(/** @type {Exchange[]} */ ([]));
    conversations.set(cameraId, found);
  }
  return found;
}

/** @param {string} cameraId */
export function begin(cameraId) {
  stop(cameraId);
  conversationOf(cameraId).value = [];
}

/** @param {string} cameraId */
export function stop(cameraId) {
  running.get(cameraId)?.abort();
}

/**
 * The body of a question that is the same for one camera and for many.
 * @param {Asked} asked
 */
export function bodyOf(asked) {
  return {
    question: asked.question,
    stream: true,
    span: asked.span,
    ...(asked.kind === "yes_no" ? { yes_no: true } : {}),
    ...(asked.kind === "choices" ? { choices: asked.choices } : {}),
    ...(asked.evidence ? { evidence: EVIDENCE_FRAMES, evidence_pictures: true } : {}),
  };
}

/**
 * @param {string} cameraId
 * @param {Asked} asked
 */
export async function ask(cameraId, asked) {
  const exchanges = conversationOf(cameraId);
  const turns = exchanges.peek()
    .filter((one) => one.state === "done" && one.text)
    .slice(-MOST_TURNS)
    .map((one) => ({ question: one.asked.question, answer: one.text }));
  const number = (count += 1);
  /** @param {Partial<Exchange>} changes */
  const change = (changes) => {
    exchanges.value = exchanges.peek().map((one) => (one.number === number ? { ...one, ...changes } : one));
  };
  exchanges.value = [...exchanges.peek(), { number, asked, state: "open", text: "", answer: null, fault: "" }];
  const leaving = new AbortController();
  running.set(cameraId, leaving);
  let text = "";
  try {
    const body = { camera: cameraId, ...bodyOf(asked), turns };
    for await (const { name, data } of stream("/ask", body, { signal: leaving.signal })) {
      if (name === "delta") change({ text: (text += data.text) });
      if (name === "answer") {
        noteAnswer(cameraId, data.answer);
        change({ answer: data.answer, text: data.answer.text, state: "done" });
      }
      if (name === "error") throw new Problem(data.error);
    }
    const last = exchanges.peek().find((one) => one.number === number);
    if (last?.state === "open") throw new Error("The answer was cut off.");
  } catch (error) {
    change(leaving.signal.aborted ? { state: "stopped" } : { state: "failed", fault: said(error) });
  }
  if (running.get(cameraId) === leaving) running.delete(cameraId);
}
