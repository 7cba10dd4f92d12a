// One watch: what it asks, what it finds, and its events.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { byId } from "../cameras.js";
import { events } from "../events.js";
import { counted, duration, whole } from "../format.js";
import { html } from "../html.js";
import { Empty, Fault, Labels, Loading, State, useWork } from "../parts/basics.js";
import { Confirm } from "../parts/dialog.js";
import { EventCard } from "../parts/event-card.js";
import { Icon } from "../parts/icon.js";
import { go, to } from "../route.js";
import { changeWatch, deleteWatch, followWatches, readWatches, titleOf, triggerWords, watches } from "../watches.js";
import { Series } from "./series.js";
import { WatchForm } from "./watch-form.js";
import { stateOf } from "./watches.js";

const EVENTS_SHOWN = 20;

/** @param {{id: string}} props */
export function WatchView({ id }) {
  const [dialog, setDialog] = useState("");
  const work = useWork();
  useEffect(() => {
    void work.run(readWatches);
    return followWatches();
  }, []);
  const watch = watches.value?.find((one) => one.id === id);
  if (!watch) {
    return html`<div class="view">${watches.value === null && !work.fault
      ? html`<${Loading} what="the watch" />`
      : html`<h1>${id}</h1><${Empty} title="There is no such watch, or you may not see it"><p><a href=${to("watches")}>All watches</a></p></${Empty}>`}</div>`;
  }
  const { word, tone } = stateOf(watch);
  const mine = events.value.filter((one) => one.watch_id === id);
  return html`<div class="view">
    <header class="view-head">
      <a class="plain square button" href=${to("watches")} aria-label="All watches"><${Icon} name="back" /></a>
      <h1>${titleOf(watch)}</h1><${State} tone=${tone}>${word}</${State}>
      <span class="severity" data-severity=${watch.severity}>${watch.severity}</span>
      <span class="grow"></span>
      <button type="button" disabled=${work.busy} onClick=${() => void work.run(() => changeWatch(id, { paused: !watch.paused }))}>
        <${Icon} name=${watch.paused ? "play" : "pause"} />${watch.paused ? "Resume" : "Pause"}</button>
      <button type="button" onClick=${() => setDialog("edit")}><${Icon} name="edit" />Edit</button>
      <button type="button" onClick=${() => setDialog("remove")}><${Icon} name="remove" />Remove</button>
    </header>
    <${Fault}>${work.fault}</${Fault}>
    <div class="panel watch-facts">
      <p class="watch-question large">${watch.text}</p>
      <p class="answer-facts">
        <span>${triggerWords(watch)}</span>
        ${(watch.trigger?.hold_s ?? 0) > 0 && html`<span>for ${duration(watch.trigger?.hold_s ?? 0)}</span>`}
        ${(watch.trigger?.cooldown_s ?? 0) > 0 && html`<span>cooldown ${duration(watch.trigger?.cooldown_s ?? 0)}</span>`}
        <span>${watch.selector ? `${watch.selector}: ` : ""}${counted(watch.cameras, "camera")}</span>
        ${watch.hours && html`<span>${watch.hours}</span>`}
        ${watch.created && html`<span>since ${whole(watch.created)}</span>`}
      </p>
      ${watch.message && html`<p class="hint">${watch.message}</p>`}
      <${Labels} labels=${watch.labels} />
    </div>
    ${watch.form.kind !== "diary" && html`<${Series} watch=${watch} events=${mine} />`}
    <h2>Events</h2>
    ${mine.length === 0
      ? html`<${Empty} title="No event yet" />`
      : html`<ol class="feed" aria-label="Events of this watch">${mine.slice(0, EVENTS_SHOWN).map((event) => html`<${EventCard} key=${event.id} event=${event} brief camera=${byId.value.get(event.camera_id)} />`)}</ol>`}
    ${dialog === "edit" && html`<${WatchForm} watch=${watch} onClose=${() => setDialog("")} />`}
    ${dialog === "remove" && html`<${Confirm} title="Remove the watch?" verb="Remove" busy=${work.busy} fault=${html`<${Fault}>${work.fault}</${Fault}>`}
      onClose=${() => setDialog("")} onYes=${() => void work.run(async () => { await deleteWatch(id); go("watches"); })}>
      <p><b>${titleOf(watch)}</b> is asked no more, and its open events end. Events that are over stay.</p></${Confirm}>`}
  </div>`;
}
