// Who uses the console: signed in with a token, or not needed to be.

import { signal } from "../vendor/signals.js";
import { send } from "./api.js";
import { Problem } from "./problem.js";

/** @typedef {{tokens: boolean, signed_in: boolean, name: string | null}} Session */

/** Null until it is known. */
export const session = signal(/** @type {Session | null} */ (null));

/** Whether this page has been somebody's before. */
let used = false;

/** Whether requests can be made. */
export function mayAsk() {
  const known = session.value;
  return known !== null && (known.signed_in || !known.tokens);
}

export async function readSession() {
  session.value = await (await send("GET", "/session")).json();
}

/**
 * @param {string} token
 * @param {boolean} remember
 */
export async function signIn(token, remember) {
  try {
    const begun = await (await send("POST", "/session", { token, remember })).json();
    // What the page still knows is of another token, perhaps of another person.
    if (used) location.reload();
    else session.value = begun;
  } catch (error) {
    if (error instanceof Problem && error.reason === "UNAUTHENTICATED") {
      throw new Error("The gateway does not take this token.");
    }
    throw error;
  }
}

export async function signOut() {
  await send("DELETE", "/session");
  location.reload();
}

/** The gateway wants a token, or no longer takes the one that it had. */
export function signedOut() {
  const known = session.peek();
  used ||= known !== null && (known.signed_in || !known.tokens);
  if (known === null || known.signed_in || !known.tokens) {
    session.value = { tokens: true, signed_in: false, name: null };
  }
}
