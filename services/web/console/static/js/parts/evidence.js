// The frames that an answer or an event rests on; a press shows one of them large.

import { useState } from "../../vendor/preact-hooks.js";
import { time, whole } from "../format.js";
import { html } from "../html.js";
import { Dialog } from "./dialog.js";

/**
 * @typedef {{url: string, captured: string | null, note?: string}} Shown
 */

/** @param {{frames: Shown[], label?: string}} props */
export function Evidence({ frames, label = "Evidence" }) {
  const [open, setOpen] = useState(-1);
  const chosen = frames[open];
  return html`<ul class="evidence" aria-label=${label}>
      ${frames.map((frame, number) => html`<${Thumbnail} key=${frame.url} frame=${frame} onOpen=${() => setOpen(number)} />`)}
    </ul>
    ${chosen &&
    html`<${Dialog} title=${`Frame of ${chosen.captured ? time(chosen.captured) : "the event"}`} wide onClose=${() => setOpen(-1)}>
      <img class="enlarged" src=${chosen.url} alt=${altOf(chosen)} />
      ${chosen.note && html`<p class="hint">${chosen.note}</p>`}
    </${Dialog}>`}`;
}

/** @param {Shown} frame */
const altOf = (frame) => `Frame captured ${frame.captured ? whole(frame.captured) : "at the event"}`;

/** @param {{frame: Shown, onOpen: () => void}} props */
function Thumbnail({ frame, onOpen }) {
  const [gone, setGone] = useState(false);
  return html`<li>
    <button type="button" class="thumbnail" onClick=${onOpen} disabled=${gone}>
      ${gone
        ? html`<span class="no-picture">not kept</span>`
        : html`<img src=${frame.url} alt=${altOf(frame)} loading="lazy" onError=${() => setGone(true)} />`}
      <span class="caption">${frame.captured && time(frame.captured)}</span>
      ${frame.note && html`<span class="caption faint">${frame.note}</span>`}
    </button>
  </li>`;
}

/**
 * How much less likely an answer is without a frame.
 * @param {number} fall of its log-probability
 */
export function weight(fall) {
  const times = Math.exp(Math.max(0, fall));
  if (times < 1.05) return "hardly less likely without it";
  if (times > 1000) return "over 1000 times less likely without it";
  return `${times < 10 ? times.toFixed(1) : Math.round(times)} times less likely without it`;
}
