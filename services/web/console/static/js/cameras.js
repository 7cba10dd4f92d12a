// The cameras that the caller may see, as they are now.

import { computed, signal } from "../vendor/signals.js";
import { cameraPath, get } from "./api.js";
import { poll } from "./polling.js";

const EVERY_MS = 3000;
/** Of a large fleet less often, so that it costs the gateway the same. */
const A_CAMERA_MS = 40;
const ONE_EVERY_MS = 2000;

/** Null until they are known. */
export const cameras = signal(/** @type {Camera[] | null} */ (null));
export const byId = computed(() => new Map((cameras.value ?? []).map((one) => [one.id, one])));

export async function readCameras() {
  cameras.value = (await get("/cameras", { brief: true })).cameras;
}

/** Read them again and again; the function that is returned ends it. */
export function followCameras() {
  return poll(readCameras, () => Math.max(EVERY_MS, A_CAMERA_MS * (cameras.peek()?.length ?? 0)));
}

/** The camera that is looked at, with the stretches that the list leaves out. */
export const closeUp = signal(/** @type {Camera | null} */ (null));

/** @param {string} id */
export function followCamera(id) {
  return poll(async () => {
    closeUp.value = await get(cameraPath(id));
  }, ONE_EVERY_MS);
}

/** @param {Camera} camera */
export const nameOf = (camera) => camera.display_name || camera.id;

/** @param {string} id */
export function nameOfId(id) {
  const camera = byId.value.get(id);
  return camera ? nameOf(camera) : id;
}

/**
 * Those whose id, name, label or address has each of these words.
 * @param {Camera[]} all
 * @param {string} words
 * @param {string} label `site=dock`; empty: any
 */
export function matching(all, words, label = "") {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((camera) => {
    const labels = Object.entries(camera.labels).map(([key, value]) => `${key}=${value}`);
    if (label && !labels.includes(label)) return false;
    const text = [camera.id, camera.display_name, camera.url, ...labels].join(" ").toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

/** All labels, `key=value`, with how many cameras have each. */
export const labels = computed(() => {
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const camera of cameras.value ?? []) {
    for (const [key, value] of Object.entries(camera.labels)) {
      const label = `${key}=${value}`;
      found.set(label, (found.get(label) ?? 0) + 1);
    }
  }
  return [...found].sort(([a], [b]) => a.localeCompare(b));
});

/**
 * @typedef {{word: string, tone: "ok" | "busy" | "bad" | "off", why: string}} Condition
 */

/** @type {Record<string, string>} */
const ERRORS = {
  auth: "Wrong or missing credentials",
  tls: "No encrypted connection could be made",
  timeout: "No answer in time",
  not_found: "There is no such host, path or file",
  codec: "No video that can be decoded",
  ended: "The source closed the connection",
  refused: "The connection was refused",
  protocol: "Something else answers there",
  unreachable: "No way leads to the host",
  unavailable: "The camera's server cannot serve now",
  memory: "Decoding it needs too much memory",
};

/**
 * How a camera is, in a word, and why if it is not well.
 * @param {Camera} camera
 * @returns {Condition}
 */
export function conditionOf(camera) {
  const { source, memory } = camera;
  const why = source.error_message || ERRORS[source.error] || "";
  switch (source.state) {
    case "offline":
      return { word: "Offline", tone: "bad", why: why || "It cannot be reached" };
    case "failed":
      return { word: "Failed", tone: "bad", why: why || "It will not be tried again" };
    case "connecting":
      return { word: "Connecting", tone: "busy", why };
    case "ended":
      if (memory.state === "serving") return { word: "Ended", tone: "off", why };
      break;
    case "online":
      break;
    default:
      return { word: "Waiting", tone: "busy", why: why || "No decoder has it yet" };
  }
  switch (memory.state) {
    case "serving":
      return { word: "Live", tone: "ok", why: "" };
    case "replaying":
      return { word: "Catching up", tone: "busy", why: memory.message };
    case "empty":
      return { word: "No frame yet", tone: "busy", why: memory.message };
    default:
      return { word: "No memory", tone: "busy", why: memory.message || "No worker has it yet" };
  }
}

/**
 * How much time its memory reaches over, in seconds: of a file that was read faster than it
 * plays, that of the file.
 * @param {Camera} camera
 */
export function remembersS(camera) {
  const { span, media_start_s: start, media_end_s: end } = camera.memory.coverage;
  const media = camera.loop || start === null || end === null ? 0 : end - start;
  return span ? Math.max(media, (Date.parse(span.end) - Date.parse(span.start)) / 1000) : 0;
}

/** Frames that are narrower are drawn in squares: smoothed they would be a blur. */
const COARSE_PX = 160;

/** @param {Camera} camera */
export const isCoarse = (camera) => shapeOf(camera)[0] < COARSE_PX;

/**
 * Width by height of its frames.
 * @param {Camera} camera
 */
export function shapeOf(camera) {
  const picture = camera.source.picture;
  return picture?.frame_width ? [picture.frame_width, picture.frame_height] : [16, 9];
}
