// Events: those that are kept, and messages about them as they come.

import { computed, effect, signal } from "../vendor/signals.js";
import { get, post } from "./api.js";
import { regained, suspect } from "./link.js";
import { mayAsk } from "./session.js";

const PAGE = 60;
const MOST_HELD = 600;
const HIDDEN_MS = 30_000;
const RETRY_MS = 2000;
const NAMES = ["opened", "updated", "closed", "note"];

/** By id; the newest message about each. */
const held = signal(/** @type {Map<string, EventRecord>} */ (new Map()));
/** The newest first. */
export const events = computed(() =>
  [...held.value.values()].sort((a, b) => b.opened.localeCompare(a.opened) || (a.id < b.id ? 1 : -1)),
);
/** Null until they are known; then the id after which there are more, or "" if there are none. */
export const older = signal(/** @type {string | null} */ (null));
/** Whether messages arrive as they come. */
export const following = signal(false);
/** Ids of events that came while somebody looked. */
export const fresh = signal(/** @type {Set<string>} */ (new Set()));
/** Open events that need somebody: neither over, nor noticed. */
export const waiting = computed(
  () => events.value.filter((one) => isOpen(one) && !one.acknowledgement).length,
);

/** @param {EventRecord} event */
export const isOpen = (event) => !event.closed && event.type !== "note";

/** @type {EventSource | null} */
let source = null;
let position = "";
let retry = 0;

/** @param {EventRecord[]} records */
function take(records) {
  const next = new Map(held.peek());
  for (const record of records) {
    const known = next.get(record.id);
    if (!known || known.sequence <= record.sequence) {
      // What is listed has no evidence; what was followed has.
      const evidence = record.evidence.length ? record.evidence : (known?.evidence ?? []);
      next.set(record.id, { ...record, evidence });
    }
  }
  if (next.size > MOST_HELD) {
    const kept = [...next.values()].sort((a, b) => b.opened.localeCompare(a.opened));
    for (const { id } of kept.slice(MOST_HELD)) next.delete(id);
  }
  held.value = next;
}

/** Read the newest ones. */
export async function readEvents() {
  const page = await get("/events", { limit: PAGE });
  take(page.events);
  if (older.peek() === null || held.peek().size <= PAGE) {
    older.value = page.events.length < PAGE ? "" : page.next;
  }
}

export async function readOlder() {
  const page = await get("/events", { limit: PAGE, before: older.value });
  take(page.events);
  older.value = page.next ?? "";
}

/**
 * One event with its evidence.
 * @param {string} id
 */
export async function readEvent(id) {
  take([await get(`/events/${encodeURIComponent(id)}`)]);
}

/**
 * @param {string} id
 * @param {string} note
 */
export async function acknowledge(id, note) {
  take([await post(`/events/${encodeURIComponent(id)}/acknowledgement`, { note })]);
}

/** Follow them as long as the page is there. */
export function followEvents() {
  let hiding = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    // A browser gives a service few connections: a page in a hidden tab gives its own back.
    if (document.hidden) hiding = window.setTimeout(close, HIDDEN_MS);
    else if (!source && mayAsk()) open();
  });
  effect(() => {
    regained.value;
    if (mayAsk()) open();
    else close();
  });
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
  following.value = false;
}

function open() {
  close();
  const query = position ? `?position=${encodeURIComponent(position)}` : "";
  const made = new EventSource(`/api/v1/events${query}`);
  source = made;
  made.onopen = () => {
    following.value = true;
    void readEvents().catch(() => {});
  };
  made.onerror = () => {
    following.value = false;
    suspect();
    // The browser tries again by itself, but not after a refusal.
    if (made.readyState !== EventSource.CLOSED || source !== made) return;
    retry = window.setTimeout(() => source === made && mayAsk() && open(), RETRY_MS);
  };
  made.addEventListener("error", (message) => {
    if (message instanceof MessageEvent) position = message.lastEventId || position;
  });
  for (const name of NAMES) {
    made.addEventListener(name, (message) => {
      position = message.lastEventId;
      const record = JSON.parse(message.data);
      if (!held.peek().has(record.id)) fresh.value = new Set([...fresh.peek(), record.id]);
      take([record]);
    });
  }
}
