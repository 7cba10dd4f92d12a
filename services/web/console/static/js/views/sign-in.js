// Sign in with a token of the gateway.

import { useState } from "../../vendor/preact-hooks.js";
import { html } from "../html.js";
import { Fault, Field, useWork } from "../parts/basics.js";
import { signIn } from "../session.js";

export function SignIn() {
  const [token, setToken] = useState("");
  const [remember, setRemember] = useState(false);
  const { busy, fault, run } = useWork();
  function submit(/** @type {Event} */ event) {
    event.preventDefault();
    void run(() => signIn(token.trim(), remember));
  }
  return html`<form class="sign-in panel" onSubmit=${submit}>
    <h1>Sign in</h1>
    <p>The gateway wants a token. It is kept in a cookie that no page can read, and nowhere else.</p>
    <${Field} label="Token" hint="Made with hermes token, or by the people who run this service.">
      <input type="password" name="token" required autocomplete="current-password" spellcheck=${false} autofocus
        value=${token} onInput=${(/** @type {any} */ event) => setToken(event.target.value)} />
    </${Field}>
    <label class="tick">
      <input type="checkbox" checked=${remember} onChange=${() => setRemember(!remember)} />
      <span>Stay signed in for a month on this device</span>
    </label>
    <${Fault}>${fault}</${Fault}>
    <button class="primary" disabled=${busy}>${busy ? "Checking ..." : "Sign in"}</button>
  </form>`;
}
