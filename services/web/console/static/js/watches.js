// Watches, as they are now.

import { signal } from "../vendor/signals.js";
import { get, patch, post, remove } from "./api.js";
import { poll } from "./polling.js";

const EVERY_MS = 5000;

/** Null until they are known. */
export const watches = signal(/** @type {Watch[] | null} */ (null));

export async function readWatches() {
  watches.value = (await get("/watches")).watches;
}

export const followWatches = () => poll(readWatches, EVERY_MS);

/** @param {string} id */
const pathOf = (id) => `/watches/${encodeURIComponent(id)}`;

/** @param {Partial<Watch>} watch */
export async function createWatch(watch) {
  await post("/watches", watch);
  await readWatches();
}

/**
 * @param {string} id
 * @param {Partial<Watch>} changes
 */
export async function changeWatch(id, changes) {
  await patch(pathOf(id), changes);
  await readWatches();
}

/** @param {string} id */
export async function deleteWatch(id) {
  await remove(pathOf(id));
  await readWatches();
}

/**
 * What a watch finds now, camera by camera.
 * @param {Partial<Watch>} watch
 * @param {{evidence?: number, signal?: AbortSignal}} [options]
 * @returns {Promise<Trial[]>}
 */
export async function tryWatch(watch, options = {}) {
  const evidence = options.evidence ?? 0;
  const body = { watch: { id: "trial", ...watch }, evidence, pictures: evidence > 0 };
  return (await post("/trials", body, { signal: options.signal })).trials;
}

/** @param {Watch} watch */
export const titleOf = (watch) => watch.display_name || watch.id;

/**
 * When it opens an event, in words.
 * @param {Watch} watch
 */
export function triggerWords(watch) {
  const condition = watch.trigger?.condition;
  if (!condition) return watch.form.kind === "diary" ? "a note each time" : "no trigger";
  const yes = watch.form.kind === "yes_no" ? "yes" : "the number";
  switch (condition.kind) {
    case "above":
      return `${yes} is at least ${condition.value}`;
    case "below":
      return `${yes} is at most ${condition.value}`;
    case "equals":
      return `it is ${condition.choices?.join(" or ")}, ${condition.probability || 0.5} or surer`;
    case "changes":
      return "the choice changes";
    default:
      return `it grows by ${condition.per_minute} a minute`;
  }
}

/**
 * The limit that its value is compared with, if it has one.
 * @param {Watch} watch
 */
export function limitOf(watch) {
  const condition = watch.trigger?.condition;
  if (condition?.kind === "above" || condition?.kind === "below") return condition.value ?? null;
  if (condition?.kind === "equals") return condition.probability || 0.5;
  return null;
}
