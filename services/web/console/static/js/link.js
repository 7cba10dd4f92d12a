// Whether the console reaches its service, and that one the gateway.

import { signal } from "../vendor/signals.js";

const LOOK_MS = 5000;
const LOST_LOOK_MS = 1500;
const TIMEOUT_MS = 6000;

/** @typedef {{state: "ok" | "gateway" | "service", why: string, since: number}} Link */

/** What is lost, if anything is. */
export const link = signal(/** @type {Link} */ ({ state: "ok", why: "", since: 0 }));
/** Grows each time that the connection is back. Views that show data then read it again. */
export const regained = signal(0);
/** Version of the service, and how long its last answer took. */
export const service = signal({ version: "", tookMs: 0 });

let timer = 0;
let looking = false;

/** Look at once: a request has failed. */
export function suspect() {
  if (!looking) void look();
}

export async function look() {
  clearTimeout(timer);
  looking = true;
  const started = performance.now();
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch("/health", { cache: "no-store", signal: timeout });
    const health = await response.json();
    service.value = { version: health.version, tookMs: performance.now() - started };
    if (response.ok) found("ok", "");
    else found("gateway", health.why);
  } catch {
    found("service", "");
  }
  looking = false;
  timer = window.setTimeout(look, link.peek().state === "ok" ? LOOK_MS : LOST_LOOK_MS);
}

/**
 * @param {Link["state"]} state
 * @param {string} why
 */
function found(state, why) {
  const before = link.peek();
  if (before.state === state && before.why === why) return;
  const since = before.state === "ok" ? Date.now() : before.since;
  link.value = { state, why, since };
  if (state === "ok") regained.value += 1;
}
