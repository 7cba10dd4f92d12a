// One camera on the wall.

import { useEffect } from "../../vendor/preact-hooks.js";
import { conditionOf, isCoarse, remembersS } from "../cameras.js";
import { ago, duration, ms } from "../format.js";
import { html } from "../html.js";
import { Labels, State } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { to } from "../route.js";
import { useSight } from "../sight.js";
import { keepNew, shotOf } from "../snapshots.js";
import { tick } from "../ticking.js";

/** @param {{camera: Camera, name: string}} props */
export function CameraCard({ camera, name }) {
  const [place, seen] = useSight();
  const { word, tone, why } = conditionOf(camera);
  return html`<li class="card" ref=${place} data-tone=${tone} data-camera=${camera.id}>
    <${Still} camera=${camera} name=${name} seen=${seen} off=${tone === "bad"} why=${tone === "off" ? "" : why} />
    <div class="card-text">
      <div class="card-line"><a class="card-name" title=${name} href=${to("camera", camera.id)}>${name}</a><${State} tone=${tone}>${word}</${State}></div>
      ${seen && html`<${Facts} camera=${camera} />`}
    </div>
    ${seen && html`<${Labels} labels=${camera.labels} most=${3} />`}
  </li>`;
}

/**
 * The newest picture, in its own proportions.
 * @param {{camera: Camera, name: string, seen: boolean, off: boolean, why: string}} props
 */
function Still({ camera, name, seen, off, why }) {
  const shot = shotOf(camera.id);
  useEffect(() => (seen ? keepNew(camera.id) : undefined), [seen, camera.id]);
  const url = seen ? shot.url.value : "";
  return html`<span class="still">
    ${url
      ? html`<img src=${url} alt=${`Newest picture of ${name}`} class=${`${off ? "old" : ""} ${isCoarse(camera) ? "coarse" : ""}`} />`
      : html`<span class="no-picture"><${Icon} name="away" /></span>`}
    ${why && html`<span class="why">${why}</span>`}
  </span>`;
}

/** @param {{camera: Camera}} props */
function Facts({ camera }) {
  const span = camera.memory.coverage.span;
  if (!span) return html`<span class="facts">nothing seen yet</span>`;
  const lag = camera.memory.lag_s;
  // The picture may be newer than what the list said.
  const captured = shotOf(camera.id).captured.value;
  const newest = Math.max(ms(captured || null) || 0, ms(span.end));
  const isLive = camera.source.state === "online";
  return html`<span class="facts">
    <span title="The newest frame in memory">${ago(newest, tick.value)}</span>
    ${isLive && lag !== null && html`<span title="From capture to memory">lag ${duration(lag)}</span>`}
    <span title="From the oldest frame held to the newest">remembers ${duration(remembersS(camera))}</span>
  </span>`;
}
