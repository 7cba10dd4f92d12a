// One camera: its picture and its past, questions about it, and what it remembers.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { frameUrl } from "../api.js";
import { byId, cameras, closeUp, conditionOf, followCamera, isCoarse, nameOf, remembersS, shapeOf } from "../cameras.js";
import { ago, duration, time } from "../format.js";
import { html } from "../html.js";
import { Empty, Labels, Loading, Segments, State } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { Timeline } from "../parts/timeline.js";
import { to } from "../route.js";
import { keepNew, shotOf } from "../snapshots.js";
import { tick } from "../ticking.js";
import { Ask } from "./ask.js";
import { CameraDetails } from "./camera-details.js";
import { EditCamera, RemoveCamera } from "./camera-edit.js";
import { MemoryPanel } from "./memory.js";

/** @param {{id: string}} props */
export function CameraView({ id }) {
  useEffect(() => followCamera(id), [id]);
  const near = closeUp.value;
  const listed = byId.value.get(id);
  // It may be gone from the list, or not be in it yet.
  const camera = near?.id === id && listed ? near : listed;
  const [range, setRange] = useState(/** @type {AskedRange | null} */ (null));
  const [moment, setMoment] = useState(/** @type {number | null} */ (null));
  const [dialog, setDialog] = useState("");
  const [tab, setTab] = useState("memory");
  if (!camera) {
    return html`<div class="view">${cameras.value === null
      ? html`<${Loading} what="the camera" />`
      : html`<h1>${id}</h1><${Empty} title="There is no such camera, or you may not see it"><p><a href=${to("live")}>All cameras</a></p></${Empty}>`}</div>`;
  }
  const { word, tone, why } = conditionOf(camera);
  return html`<div class="view wide camera-view">
    <header class="view-head">
      <a class="plain square button" href=${to("live")} aria-label="All cameras"><${Icon} name="back" /></a>
      <h1>${nameOf(camera)}</h1>
      <${State} tone=${tone}>${word}</${State}>
      <${Labels} labels=${camera.labels} most=${6} />
      <span class="grow"></span>
      <button type="button" onClick=${() => setDialog("edit")}><${Icon} name="edit" />Edit</button>
      <button type="button" onClick=${() => setDialog("remove")}><${Icon} name="remove" />Remove</button>
    </header>
    ${why && html`<p class=${tone === "bad" ? "note bad" : "note"}>${why}</p>`}
    <div class="camera-columns">
      <div class="camera-past">
        <${Stage} camera=${camera} moment=${moment} onNow=${() => setMoment(null)} />
        <${Timeline} camera=${camera} range=${range} moment=${moment} onRange=${setRange} onMoment=${setMoment} />
      </div>
      <section class="camera-ask panel" aria-label="Questions"><${Ask} camera=${camera} range=${range} onAnyTime=${() => setRange(null)} onMoment=${setMoment} /></section>
      <section class="camera-more" aria-label="More about the camera">
        <${Segments} name="tab" label="What is shown" value=${tab} onPick=${setTab} of=${[["memory", "Memory"], ["details", "Details"]]} />
        ${tab === "memory" ? html`<${MemoryPanel} camera=${camera} />` : html`<${CameraDetails} camera=${camera} />`}
      </section>
    </div>
    ${dialog === "edit" && html`<${EditCamera} camera=${camera} onClose=${() => setDialog("")} />`}
    ${dialog === "remove" && html`<${RemoveCamera} camera=${camera} onClose=${() => setDialog("")} />`}
  </div>`;
}

/**
 * The newest picture, or that of a moment.
 * @param {{camera: Camera, moment: number | null, onNow: () => void}} props
 */
function Stage({ camera, moment, onNow }) {
  const shot = shotOf(camera.id);
  const [gone, setGone] = useState(false);
  useEffect(() => keepNew(camera.id, 1000), [camera.id]);
  useEffect(() => setGone(false), [moment]);
  const url = moment === null ? shot.url.value : frameUrl(camera.id, moment);
  const captured = moment === null ? shot.captured.value : moment;
  const lag = camera.memory.lag_s;
  const [width, height] = shapeOf(camera);
  return html`<figure class="stage">
    <div class="stage-picture" style=${{ aspectRatio: `${width} / ${height}` }}>
      ${url && !gone
        ? html`<img src=${url} class=${isCoarse(camera) ? "coarse" : ""} alt=${moment === null ? "Newest picture" : `Picture of ${time(moment)}`} onError=${() => moment !== null && setGone(true)} />`
        : html`<span class="no-picture"><${Icon} name="away" />${gone ? "No picture of this moment is kept" : shot.fault.value || "No picture yet"}</span>`}
    </div>
    <figcaption>
      ${moment === null
        ? html`<span>${captured ? html`Newest frame, ${ago(captured, tick.value)}` : "Newest frame"}</span>`
        : html`<b>${time(moment)}</b><button type="button" class="small" onClick=${onNow}>Back to the newest</button>`}
      <span class="grow"></span>
      ${camera.source.frames_per_second > 0 && html`<span>${camera.source.frames_per_second.toFixed(1)} frames a second</span>`}
      ${camera.source.state === "online" && lag !== null && html`<span>lag ${duration(lag)}</span>`}
      <span>remembers ${duration(remembersS(camera))}</span>
    </figcaption>
  </figure>`;
}
