// Which view is shown: the part of the address after `#`.

import { signal } from "../vendor/signals.js";

/** @typedef {{view: string, id: string, query: URLSearchParams}} Route */

/** @returns {Route} */
function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = ""] = path.split("/");
  return { view: view || "live", id: decoded(id), query: new URLSearchParams(query) };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = signal(read());

window.addEventListener("hashchange", () => {
  route.value = read();
});

/**
 * @param {string} view
 * @param {string} [id]
 */
export function to(view, id = "") {
  return id ? `#/${view}/${encodeURIComponent(id)}` : `#/${view}`;
}

/**
 * @param {string} view
 * @param {string} [id]
 */
export function go(view, id = "") {
  location.hash = to(view, id);
}
