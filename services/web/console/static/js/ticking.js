// The time of day, for texts that say how long ago something was.

import { signal } from "../vendor/signals.js";
import { now } from "./api.js";

const EVERY_MS = 1000;

/** Milliseconds since 1970, by the clock of the service; a new value each second. */
export const tick = signal(now());

setInterval(() => {
  if (!document.hidden) tick.value = now();
}, EVERY_MS);
