// The wall: every camera that one may see, with its newest picture and how it is.

import { computed, signal } from "../../vendor/signals.js";
import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { cameras, conditionOf, labels, matching, nameOf } from "../cameras.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { Empty, Loading, Segments } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { forgetOthers } from "../snapshots.js";
import { AddCamera } from "./camera-add.js";
import { CameraCard } from "./camera-card.js";

const words = signal("");
const label = signal("");
const kind = signal("all");

/** @type {[string, string][]} */
const KINDS = [
  ["all", "All"],
  ["live", "Live"],
  ["trouble", "Not live"],
];

const shown = computed(() => {
  const found = matching(cameras.value ?? [], words.value, label.value);
  if (kind.value === "all") return found;
  return found.filter((camera) => (conditionOf(camera).tone === "ok") === (kind.value === "live"));
});
const tally = computed(() => {
  const all = cameras.value ?? [];
  const live = all.filter((camera) => conditionOf(camera).tone === "ok").length;
  const bad = all.filter((camera) => conditionOf(camera).tone === "bad").length;
  return { all: all.length, live, bad };
});

export function LiveView() {
  const [adding, setAdding] = useState(false);
  useEffect(() => forgetOthers(new Set(cameras.peek()?.map((one) => one.id))), [cameras.value]);
  const { all, live, bad } = tally.value;
  return html`<div class="view wide">
    <header class="view-head">
      <h1>Live</h1>
      ${cameras.value !== null &&
      html`<p class="tally">${counted(all, "camera")}, ${live} live${bad > 0 && html`, <b class="bad">${bad} offline</b>`}</p>`}
      <button type="button" class="primary" onClick=${() => setAdding(true)}><${Icon} name="add" />Add a camera</button>
    </header>
    ${all > 0 && html`<${Filters} />`}
    ${cameras.value === null
      ? html`<${Loading} what="cameras" />`
      : all === 0
        ? html`<${Empty} title="There is no camera yet"><p>Add one by its address: RTSP, HTTP, or a file.</p></${Empty}>`
        : shown.value.length === 0
          ? html`<${Empty} title="No camera is like this"><p>
              <button type="button" onClick=${clear}>Show all</button></p></${Empty}>`
          : html`<ul class="wall" aria-label="Cameras">
              ${shown.value.map((camera) => html`<${CameraCard} key=${camera.id} camera=${camera} name=${nameOf(camera)} />`)}
            </ul>`}
    ${adding && html`<${AddCamera} onClose=${() => setAdding(false)} />`}
  </div>`;
}

function clear() {
  words.value = label.value = "";
  kind.value = "all";
}

function Filters() {
  return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label class="search"><${Icon} name="search" /><span class="unseen">Find cameras</span>
      <input type="search" placeholder="Name, id or label" value=${words.value}
        onInput=${(/** @type {any} */ event) => (words.value = event.target.value)} />
    </label>
    ${labels.value.length > 0 &&
    html`<select aria-label="Label" value=${label.value} onChange=${(/** @type {any} */ event) => (label.value = event.target.value)}>
        <option value="">Any label</option>
        ${labels.value.map(([one, count]) => html`<option key=${one} value=${one}>${one} (${count})</option>`)}
      </select>`}
    <${Segments} name="kind" label="State" value=${kind.value} of=${KINDS} onPick=${(/** @type {string} */ one) => (kind.value = one)} />
  </form>`;
}
