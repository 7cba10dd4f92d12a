// Requests to the REST API: JSON both ways, problems as exceptions, streams as they come.

import { suspect } from "./link.js";
import { Problem } from "./problem.js";
import { signedOut } from "./session.js";

const ROOT = "/api/v1";
const MARK = "Hermes-Console";

let ahead = 0;

/** Now, by the clock of the service: this machine's may go wrong. */
export function now() {
  return Date.now() + ahead;
}

/**
 * @typedef {{signal?: AbortSignal, timeoutS?: number, headers?: Record<string, string>}} Options
 */

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Options} [options]
 * @returns {Promise<Response>}
 */
export async function send(method, path, body, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { ...options.headers, [MARK]: "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (options.timeoutS) headers["Hermes-Timeout"] = String(options.timeoutS);
  let response;
  try {
    response = await fetch(ROOT + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
      cache: method === "GET" ? "default" : "no-store",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    suspect();
    throw new Problem({ status: 0, detail: "The console's service cannot be reached." });
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  // Its clock is told in whole seconds.
  if (date && Math.abs(date - now()) > 2000) ahead = date - Date.now();
  if (response.ok || response.status === 304) return response;
  throw await problemOf(response);
}

/** @param {Response} response */
async function problemOf(response) {
  const record = await response.json().catch(() => ({ detail: response.statusText }));
  const problem = new Problem({ ...record, status: response.status });
  if (response.status === 401) signedOut();
  if (problem.unreachable) suspect();
  return problem;
}

/**
 * @param {string} path
 * @param {Record<string, string | number | boolean | string[] | null | undefined>} [query]
 * @param {Options} [options]
 */
export async function get(path, query = {}, options = {}) {
  return (await send("GET", path + written(query), undefined, options)).json();
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {Options} [options]
 */
export async function post(path, body, options = {}) {
  return (await send("POST", path, body, options)).json();
}

/**
 * @param {string} path
 * @param {unknown} body
 */
export async function patch(path, body) {
  return (await send("PATCH", path, body)).json();
}

/** @param {string} path */
export async function remove(path) {
  await send("DELETE", path);
}

/**
 * A query as text, with its question mark; what is empty is left out.
 * @param {Record<string, string | number | boolean | string[] | null | undefined>} query
 */
export function written(query) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) given.append(name, one);
    else if (value || value === 0) given.set(name, String(value));
  }
  const text = given.toString();
  return text && `?${text}`;
}

/**
 * Server-sent events of a request that an EventSource cannot make.
 * @param {string} path
 * @param {unknown} body
 * @param {Options} options
 * @returns {AsyncGenerator<{name: string, data: any}>}
 */
export async function* stream(path, body, options) {
  const headers = { Accept: "text/event-stream" };
  const response = await send("POST", path, body, { ...options, headers });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parsed(block);
        if (event) yield event;
      }
    }
  } catch (error) {
    if (options.signal?.aborted) throw error;
    suspect();
    throw new Problem({ status: 0, detail: "The connection was lost while it answered." });
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** @param {string} block */
function parsed(block) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return data && { name, data: JSON.parse(data) };
}

/** @param {string} id */
export const cameraPath = (id) => `/cameras/${encodeURIComponent(id)}`;

/**
 * Where the picture of a frame is.
 * @param {string} id
 * @param {string | number} captured
 */
export function frameUrl(id, captured) {
  const ms = typeof captured === "number" ? captured : Date.parse(captured);
  return `${ROOT}${cameraPath(id)}/frames/${Math.round(ms)}.jpg`;
}

/**
 * The address of a picture that came in base64, as the API writes it: for addresses.
 * @param {string} base64
 */
export function jpegUrl(base64) {
  return `data:image/jpeg;base64,${base64.replaceAll("-", "+").replaceAll("_", "/")}`;
}
