// Who uses the console: signed in with a token, or not needed to be.

import { signal } from "../vendor/signals.js";
import { send } from "./api.js";
import { Problem } from "./problem.js";

/** @typedef {{tokens: boolean, signed_in: boolean, name: string | null}} Session */

/** Null until it is known. */
export const session = signal(/** @type {Session | null} */ (null));

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
    session.value = await (await send("POST", "/session", { token, remember })).json();
  } catch (error) {
    if (error instanceof Problem && error.reason === "UNAUTHENTICATED") {
      throw new Error("The gateway does not take this token.");
    }
    throw error;
  }
}

export async function signOut() {
  await send("DELETE", "/session");
  signedOut();
}

/** The gateway wants a token, or no longer takes the one that it had. */
export function signedOut() {
  const known = session.peek();
  if (known === null || known.signed_in || !known.tokens) {
    session.value = { tokens: true, signed_in: false, name: null };
  }
}
