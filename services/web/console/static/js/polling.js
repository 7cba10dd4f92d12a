// Reading something again and again, while somebody looks.

import { regained } from "./link.js";
import { mayAsk } from "./session.js";
import { effect } from "../vendor/signals.js";

/**
 * Read at once, every so often after that, and when what was lost is back; not in a hidden tab.
 * The function that is returned ends it.
 * @param {() => Promise<unknown>} read
 * @param {number | (() => number)} everyMs
 */
export function poll(read, everyMs) {
  let timer = 0;
  let ended = false;
  let reading = false;
  let again = false;
  const pause = () => (typeof everyMs === "number" ? everyMs : everyMs());

  async function turn() {
    clearTimeout(timer);
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    try {
      if (!document.hidden && mayAsk()) await read();
    } catch {
      // The link says what is lost; the next turn tries again.
    }
    reading = false;
    if (ended) return;
    timer = window.setTimeout(turn, again ? 0 : pause());
    again = false;
  }

  const seen = () => void (document.hidden || turn());
  document.addEventListener("visibilitychange", seen);
  const unsubscribe = effect(() => {
    regained.value;
    mayAsk();
    void turn();
  });
  return () => {
    ended = true;
    clearTimeout(timer);
    unsubscribe();
    document.removeEventListener("visibilitychange", seen);
  };
}
