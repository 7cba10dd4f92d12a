// How the whole is: the services, what they carry, and how fast answers came.

import { answerTimes, quantile } from "../answer-times.js";
import { cameras, conditionOf, nameOfId } from "../cameras.js";
import { bytes, clock, counted, duration } from "../format.js";
import { html } from "../html.js";
import { link, service } from "../link.js";
import { Empty, State } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { to } from "../route.js";

const SHOWN = 10;
const { grafana = "" } = document.documentElement.dataset;

export function SystemView() {
  const { state, why } = link.value;
  return html`<div class="view">
    <header class="view-head"><h1>System</h1><span class="grow"></span>
      <a class="button" href="/docs" target="_blank" rel="noopener">API<${Icon} name="external" /></a>
      ${grafana && html`<a class="button" href=${grafana} target="_blank" rel="noopener noreferrer">Grafana<${Icon} name="external" /></a>`}
    </header>
    <div class="tiles">
      <${Tile} name="Gateway"><${State} tone=${state === "ok" ? "ok" : "bad"}>${state === "ok" ? "Serving" : state === "service" ? "Not known" : why || "Lost"}</${State}></${Tile}>
      <${Tile} name="Version">${service.value.version || "-"}</${Tile}>
      <${Tile} name="Round trip">${service.value.tookMs ? `${service.value.tookMs.toFixed(0)} ms` : "-"}</${Tile}>
      <${Times} />
    </div>
    <${Services} />
    <${LastAnswers} />
    ${!grafana && html`<p class="hint">Figures of all callers, and over time, are in Prometheus and Grafana. With --grafana-url this page links there.</p>`}
  </div>`;
}

/** @param {{name: string, children?: any}} props */
function Tile({ name, children }) {
  return html`<div class="tile panel"><h2>${name}</h2><p>${children}</p></div>`;
}

function Times() {
  const gateway = answerTimes.value.flatMap(({ timings }) => timings.gateway_time_to_first_token_s ?? []);
  const warm = answerTimes.value.flatMap(({ timings }) => timings.warm_time_to_first_token_s ?? []);
  const all = cameras.value ?? [];
  return html`<${Tile} name="First word, your answers">${gateway.length ? html`${duration(quantile(gateway, 0.5))}<small>median of ${gateway.length}; from memory ${warm.length ? duration(quantile(warm, 0.5)) : "-"}</small>` : "-"}</${Tile}>
    <${Tile} name="Cameras">${all.length}<small>${all.filter((one) => conditionOf(one).tone === "ok").length} live</small></${Tile}>
    <${Tile} name="Memory">${bytes(all.reduce((sum, one) => sum + one.memory.bytes, 0))}<small>${all.reduce((sum, one) => sum + one.memory.tokens, 0).toLocaleString()} tokens</small></${Tile}>`;
}

/**
 * @param {Camera[]} all
 * @param {(camera: Camera) => string} key
 */
function grouped(all, key) {
  /** @type {Map<string, Camera[]>} */
  const found = new Map();
  for (const camera of all) {
    const name = key(camera);
    if (name) found.set(name, [...(found.get(name) ?? []), camera]);
  }
  return [...found].sort(([a], [b]) => a.localeCompare(b));
}

function Services() {
  const all = cameras.value ?? [];
  const workers = grouped(all, (one) => one.memory.worker);
  const decoders = grouped(all, (one) => one.source.decoder);
  const without = all.filter((one) => !one.memory.worker).length;
  return html`<section class="panel"><h2>Workers</h2>
      <${Table} head=${["Worker", "Cameras", "Ready", "Memory", "Lag, mean", "Lag, most"]} rows=${workers.map(([name, mine]) => {
        const lags = mine.flatMap((one) => (one.source.state === "online" ? (one.memory.lag_s ?? []) : []));
        return [name, mine.length, mine.filter((one) => one.memory.state === "serving").length, bytes(mine.reduce((sum, one) => sum + one.memory.bytes, 0)),
          lags.length ? duration(lags.reduce((a, b) => a + b, 0) / lags.length) : "-", lags.length ? duration(Math.max(...lags)) : "-"];
      })} empty="No worker has one of your cameras" />
      ${without > 0 && html`<p class="hint bad">${counted(without, "camera")} without a worker.</p>`}
    </section>
    <section class="panel"><h2>Decoders</h2>
      <${Table} head=${["Decoder", "Cameras", "Online", "Frames a second", "Reconnects", "Dropped"]} rows=${decoders.map(([name, mine]) => [
        name, mine.length, mine.filter((one) => one.source.state === "online").length,
        mine.reduce((sum, one) => sum + one.source.frames_per_second, 0).toFixed(1),
        mine.reduce((sum, one) => sum + one.source.reconnects, 0).toLocaleString(),
        mine.reduce((sum, one) => sum + one.source.dropped_frames, 0).toLocaleString(),
      ])} empty="No decoder has one of your cameras" />
    </section>`;
}

function LastAnswers() {
  return html`<section class="panel"><h2>Your last answers</h2>
    <${Table} head=${["Camera", "At", "First word", "From memory", "A token", "In all", "Model"]} rows=${answerTimes.value.slice(0, SHOWN).map(({ cameraId, at, timings, model }) => [
      html`<a href=${to("camera", cameraId)}>${nameOfId(cameraId)}</a>`, clock(at),
      ...[timings.gateway_time_to_first_token_s, timings.warm_time_to_first_token_s, timings.time_per_output_token_s, timings.total_s].map((s) => (s === null ? "-" : duration(s))), model,
    ])} empty="Ask a camera something" />
  </section>`;
}

/** @param {{head: string[], rows: any[][], empty: string}} props */
function Table({ head, rows, empty }) {
  if (!rows.length) return html`<${Empty} title=${empty} />`;
  return html`<div class="table-frame" tabindex="0" role="region" aria-label=${head[0]}><table>
    <thead><tr>${head.map((one) => html`<th key=${one} scope="col">${one}</th>`)}</tr></thead>
    <tbody>${rows.map((row, number) => html`<tr key=${number}>${row.map((cell, column) => (column ? html`<td key=${column}>${cell}</td>` : html`<th key="0" scope="row">${cell}</th>`))}</tr>`)}</tbody>
  </table></div>`;
}
