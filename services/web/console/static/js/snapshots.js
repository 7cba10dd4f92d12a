// The newest pictures of the cameras that are in sight: few at a time, and only if they are new.

import { signal } from "../vendor/signals.js";
import { cameraPath, send } from "./api.js";
import { byId } from "./cameras.js";
import { ms } from "./format.js";
import { Problem, said } from "./problem.js";

const AT_ONCE = 4;
const TICK_MS = 250;
const EVERY_MS = 2000;
/** However many are in sight, so many are asked for in a second: a gateway bounds what one caller
 * may ask for, ten calls a second unless it says otherwise. */
const MOST_PER_S = 5;
const LEAST_PER_S = 0.5;
/** By how much that grows again with each picture, after the gateway has refused one. */
const RECOVERY = 0.02;
const AFTER_FAILURE_MS = 6000;

/**
 * @typedef {object} Shot
 * @property {string} id
 * @property {number} users
 * @property {number} everyMs
 * @property {number} due
 * @property {boolean} busy
 * @property {string} tag
 * @property {import("../vendor/signals-core.js").Signal<string>} url
 * @property {import("../vendor/signals-core.js").Signal<string>} captured
 * @property {import("../vendor/signals-core.js").Signal<string>} fault
 */

/** @type {Map<string, Shot>} */
const shots = new Map();
let timer = 0;
let running = 0;
let perS = MOST_PER_S;

/**
 * The picture of a camera: signals of its address, its time, and why there is none.
 * @param {string} id
 */
export function shotOf(id) {
  let shot = shots.get(id);
  if (!shot) {
    shot = {
      id,
      users: 0,
      everyMs: EVERY_MS,
      due: 0,
      busy: false,
      tag: "",
      url: signal(""),
      captured: signal(""),
      fault: signal(""),
    };
    shots.set(id, shot);
  }
  return shot;
}

/**
 * Keep a camera's picture new; the function that is returned ends it.
 * @param {string} id
 * @param {number} [everyMs]
 */
export function keepNew(id, everyMs = EVERY_MS) {
  const shot = shotOf(id);
  shot.users += 1;
  shot.everyMs = everyMs;
  shot.due = 0;
  if (!timer) timer = window.setInterval(pump, TICK_MS);
  queueMicrotask(pump);
  return () => {
    shot.users -= 1;
    shot.everyMs = EVERY_MS;
  };
}

/** Pictures of cameras that are gone need no room. @param {Set<string>} there */
export function forgetOthers(there) {
  for (const [id, shot] of shots) {
    if (there.has(id) || shot.users || shot.busy) continue;
    if (shot.url.peek()) URL.revokeObjectURL(shot.url.peek());
    shots.delete(id);
  }
}

function pump() {
  if (document.hidden) return;
  const now = performance.now();
  const wanted = [...shots.values()].filter((shot) => shot.users > 0);
  if (!wanted.length && timer) {
    clearInterval(timer);
    timer = 0;
  }
  const due = wanted.filter((shot) => !shot.busy && shot.due <= now && isNewer(shot));
  due.sort((a, b) => a.due - b.due);
  const slowest = (wanted.length / perS) * 1000;
  for (const shot of due.slice(0, AT_ONCE - running)) {
    void load(shot, Math.max(shot.everyMs, slowest));
  }
}

/**
 * Whether its memory may have a newer frame than is shown. Of one that goes on it may at any time.
 * @param {Shot} shot
 */
function isNewer(shot) {
  const camera = byId.peek().get(shot.id);
  if (!camera || camera.source.state === "online" || !shot.captured.peek()) return true;
  const end = camera.memory.coverage.span?.end;
  return end !== undefined && ms(end) > ms(shot.captured.peek());
}

/**
 * @param {Shot} shot
 * @param {number} pauseMs
 */
async function load(shot, pauseMs) {
  shot.busy = true;
  running += 1;
  try {
    /** @type {Record<string, string>} */
    const headers = shot.tag ? { "If-None-Match": shot.tag } : {};
    const response = await send("GET", `${cameraPath(shot.id)}/snapshot.jpg`, undefined, {
      headers,
    });
    if (response.status !== 304) {
      const before = shot.url.peek();
      const made = URL.createObjectURL(await response.blob());
      shot.tag = response.headers.get("etag") ?? "";
      shot.captured.value = response.headers.get("hermes-captured") ?? "";
      shot.url.value = made;
      // The picture that is shown is taken away only after the new one has its place.
      if (before) setTimeout(() => URL.revokeObjectURL(before), 1000);
    }
    shot.fault.value = "";
    perS = Math.min(MOST_PER_S, perS + RECOVERY);
    shot.due = performance.now() + pauseMs;
  } catch (error) {
    if (error instanceof Problem && error.status === 429) perS = Math.max(LEAST_PER_S, perS / 2);
    else shot.fault.value = said(error);
    shot.due = performance.now() + Math.max(AFTER_FAILURE_MS, pauseMs);
  }
  shot.busy = false;
  running -= 1;
  if (!document.hidden) pump();
}
