// The watches: standing questions.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { Empty, Fault, Loading, State, useWork } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { to } from "../route.js";
import { changeWatch, followWatches, readWatches, titleOf, triggerWords, watches } from "../watches.js";
import { WatchForm } from "./watch-form.js";

export function WatchesView() {
  const [adding, setAdding] = useState(false);
  const { fault, run } = useWork();
  useEffect(() => {
    void run(readWatches);
    return followWatches();
  }, []);
  const all = watches.value;
  return html`<div class="view">
    <header class="view-head"><h1>Watches</h1>
      <span class="grow"></span>
      <button type="button" class="primary" onClick=${() => setAdding(true)}><${Icon} name="add" />New watch</button>
    </header>
    <${Fault}>${fault}</${Fault}>
    ${all === null
      ? !fault && html`<${Loading} what="watches" />`
      : all.length === 0
        ? html`<${Empty} title="There is no watch yet"><p class="hint">A watch is a question that is asked again and again: is the door open? When the answer says so, it opens an event.</p></${Empty}>`
        : html`<ul class="watch-list" aria-label="Watches">${all.map((watch) => html`<${WatchRow} key=${watch.id} watch=${watch} />`)}</ul>`}
    ${adding && html`<${WatchForm} onClose=${() => setAdding(false)} />`}
  </div>`;
}

/** @param {Watch} watch */
export function stateOf(watch) {
  if (watch.paused) return { word: "Paused", tone: "off" };
  if (watch.open_events > 0) return { word: counted(watch.open_events, "open event"), tone: "bad" };
  if (watch.message) return { word: "Waiting", tone: "busy" };
  return { word: "Watching", tone: "ok" };
}

/** @param {{watch: Watch}} props */
function WatchRow({ watch }) {
  const { busy, fault, run } = useWork();
  const { word, tone } = stateOf(watch);
  return html`<li class="watch-row panel" data-watch=${watch.id}>
    <div class="watch-main">
      <h2><a href=${to("watch", watch.id)}>${titleOf(watch)}</a></h2>
      <p class="watch-question">${watch.text}</p>
      <p class="answer-facts"><span>${triggerWords(watch)}</span><span>${watch.selector ? `cameras with ${watch.selector}` : counted(watch.camera_ids.length, "camera")}: ${watch.cameras}</span>
        ${watch.hours && html`<span>${watch.hours}</span>`}</p>
      ${watch.message && html`<p class="hint">${watch.message}</p>`}
      <${Fault}>${fault}</${Fault}>
    </div>
    <span class="severity" data-severity=${watch.severity}>${watch.severity}</span>
    <${State} tone=${tone}>${word}</${State}>
    <button type="button" class="small" disabled=${busy} onClick=${() => void run(() => changeWatch(watch.id, { paused: !watch.paused }))}>
      <${Icon} name=${watch.paused ? "play" : "pause"} />${watch.paused ? "Resume" : "Pause"}</button>
  </li>`;
}
