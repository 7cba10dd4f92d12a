// Labels as a text: `site=dock, floor=2`.

import { html } from "../html.js";
import { Field } from "./basics.js";

/** @param {{value: string, onInput: (event: any) => void, label?: string}} props */
export function LabelsField({ value, onInput, label = "Labels" }) {
  return html`<${Field} label=${label} wide hint="Keys with values, separated by commas: site=dock, floor=2">
    <input name="labels" spellcheck=${false} autocapitalize="off" value=${value} onInput=${onInput} />
  </${Field}>`;
}

/**
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function readLabels(text) {
  /** @type {Record<string, string>} */
  const labels = {};
  for (const part of text.split(",")) {
    const [key, ...rest] = part.split("=");
    if (key.trim()) labels[key.trim()] = rest.join("=").trim();
  }
  return labels;
}

/** @param {Record<string, string>} labels */
export function writtenLabels(labels) {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}
