// The views. All but the first come when they are asked for, or when the browser has time.

import { signal } from "../vendor/signals.js";
import { regained, suspect } from "./link.js";
import { LiveView } from "./views/live.js";

/** @typedef {{title: string, within?: string, load: () => Promise<any>}} View */

/** @type {Record<string, View>} */
export const VIEWS = {
  live: { title: "Live", load: async () => LiveView },
  camera: {
    title: "Camera",
    within: "live",
    load: async () => (await import("./views/camera.js")).CameraView,
  },
  ask: { title: "Ask", load: async () => (await import("./views/ask-many.js")).AskManyView },
  watches: { title: "Watches", load: async () => (await import("./views/watches.js")).WatchesView },
  watch: {
    title: "Watch",
    within: "watches",
    load: async () => (await import("./views/watch.js")).WatchView,
  },
  events: { title: "Events", load: async () => (await import("./views/events.js")).EventsView },
  system: { title: "System", load: async () => (await import("./views/system.js")).SystemView },
};

/** By name of the view. */
const loaded = signal(/** @type {Record<string, any>} */ ({ live: LiveView }));

/**
 * The component of a view; null until it is there.
 * @param {string} view
 */
export function shown(view) {
  regained.value; // what could not be loaded is tried again
  if (!loaded.value[view]) void load(view);
  return loaded.value[view] ?? null;
}

/** @param {string} view */
async function load(view) {
  try {
    const show = await VIEWS[view].load();
    if (!loaded.peek()[view]) loaded.value = { ...loaded.peek(), [view]: show };
  } catch {
    suspect();
  }
}

/** Load the others while nothing else is to be done: they are there when the service is lost. */
export async function loadAll() {
  for (const view of Object.keys(VIEWS)) await load(view);
}
