// Small parts that every view uses.

import { useRef, useState } from "../../vendor/preact-hooks.js";
import { html } from "../html.js";
import { said } from "../problem.js";
import { Icon } from "./icon.js";

/** @param {{tone: string, children?: any}} props */
export function State({ tone, children }) {
  return html`<span class="state" data-tone=${tone}><i aria-hidden="true"></i>${children}</span>`;
}

/** @param {{labels: Record<string, string>, most?: number}} props */
export function Labels({ labels, most = 99 }) {
  const all = Object.entries(labels);
  if (!all.length) return null;
  const rest = all.length - most;
  return html`<ul class="labels" aria-label="Labels">
    ${all.slice(0, most).map(([key, value]) => html`<li key=${key}><b>${key}</b>${value && `=${value}`}</li>`)}
    ${rest > 0 && html`<li>${rest} more</li>`}
  </ul>`;
}

/** @param {{title: string, children?: any}} props */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children}</div>`;
}

/** @param {{children?: any}} props */
export function Fault({ children }) {
  return children && html`<p class="fault" role="alert"><${Icon} name="lost" />${children}</p>`;
}

/** What stands where something is on its way. @param {{what: string}} props */
export function Loading({ what }) {
  return html`<p class="loading" role="status">Loading ${what} ...</p>`;
}

/**
 * One of a few, side by side.
 * @param {{name: string, label: string, value: string, of: [string, string][], onPick: (value: string) => void}} props
 */
export function Segments({ name, label, value, of, onPick }) {
  return html`<fieldset class="segments">
    <legend class="unseen">${label}</legend>
    ${of.map(
      ([key, text]) =>
        html`<label key=${key}>
          <input type="radio" name=${name} value=${key} checked=${key === value} onChange=${() => onPick(key)} />
          <span>${text}</span>
        </label>`,
    )}
  </fieldset>`;
}

/**
 * A labelled field; `hint` stands below it.
 * @param {{label: string, hint?: any, children?: any, wide?: boolean}} props
 */
export function Field({ label, hint, children, wide = false }) {
  return html`<label class=${wide ? "field wide" : "field"}>
    <span class="field-label">${label}</span>${children}
    ${hint && html`<span class="hint">${hint}</span>`}
  </label>`;
}

/**
 * Something that takes a while: what it is doing, what went wrong, and the way to start it.
 * @returns {{busy: boolean, fault: string, setFault: (text: string) => void, run: (work: () => Promise<unknown>) => Promise<boolean>}}
 */
export function useWork() {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  const current = useRef(false);
  async function run(/** @type {() => Promise<unknown>} */ work) {
    if (current.current) return false;
    current.current = true;
    setBusy(true);
    setFault("");
    try {
      await work();
      return true;
    } catch (error) {
      setFault(said(error));
      return false;
    } finally {
      current.current = false;
      setBusy(false);
    }
  }
  return { busy, fault, setFault, run };
}
