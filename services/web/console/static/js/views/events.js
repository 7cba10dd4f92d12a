// The feed of events: the newest first, as they come.

import { useState } from "../../vendor/preact-hooks.js";
import { signal } from "../../vendor/signals.js";
import { byId, nameOfId } from "../cameras.js";
import { events, following, isOpen, older, readOlder } from "../events.js";
import { html } from "../html.js";
import { link } from "../link.js";
import { Empty, Fault, Loading, Segments, State, useWork } from "../parts/basics.js";
import { EventCard } from "../parts/event-card.js";
import { to } from "../route.js";

const PAGE = 40;
const GRAVITY = ["info", "warning", "critical"];

const kind = signal("all");
const severity = signal("info");
const watch = signal("");
const camera = signal("");

export function EventsView() {
  const [count, setCount] = useState(PAGE);
  const { busy, fault, run } = useWork();
  const all = events.value;
  const shown = all.filter(
    (one) =>
      (kind.value === "all" || (kind.value === "open" ? isOpen(one) : !one.acknowledgement && one.type !== "note")) &&
      GRAVITY.indexOf(one.severity) >= GRAVITY.indexOf(severity.value) &&
      (!watch.value || one.watch_id === watch.value) &&
      (!camera.value || one.camera_id === camera.value),
  );
  const live = following.value && link.value.state === "ok";
  return html`<div class="view">
    <header class="view-head"><h1>Events</h1>
      <${State} tone=${live ? "ok" : "busy"}>${live ? "Following" : "Connecting"}</${State}>
      <span class="grow"></span><a class="button" href=${to("watches")}>Watches</a>
    </header>
    <form class="filters" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
      <${Segments} name="event-kind" label="Which events" value=${kind.value} of=${[["all", "All"], ["open", "Open"], ["new", "Not noticed"]]} onPick=${(/** @type {string} */ one) => (kind.value = one)} />
      <${Pick} label="Severity" value=${severity} of=${[["info", "Any severity"], ["warning", "Warning and graver"], ["critical", "Critical"]]} />
      <${Pick} label="Watch" value=${watch} of=${[["", "Any watch"], ...ids(all.map((one) => one.watch_id))]} />
      <${Pick} label="Camera" value=${camera} of=${[["", "Any camera"], ...ids(all.map((one) => one.camera_id)).map(([id]) => [id, nameOfId(id)])]} />
    </form>
    ${older.value === null && !all.length
      ? html`<${Loading} what="events" />`
      : !shown.length
        ? html`<${Empty} title=${all.length ? "No event is like this" : "No event yet"}>
            ${all.length ? null : html`<p class="hint">A watch opens one when the answer to its question says so. <a href=${to("watches")}>Watches</a></p>`}</${Empty}>`
        : html`<ol class="feed" aria-label="Events, the newest first">
            ${shown.slice(0, count).map((event) => html`<${EventCard} key=${event.id} event=${event} camera=${byId.value.get(event.camera_id)} />`)}
          </ol>`}
    <${Fault}>${fault}</${Fault}>
    ${(shown.length > count || older.value) && html`<p class="more-line"><button type="button" disabled=${busy}
      onClick=${() => (shown.length > count ? setCount(count + PAGE) : void run(async () => { await readOlder(); setCount(count + PAGE); }))}>Older events</button></p>`}
  </div>`;
}

/** @param {string[]} all */
const ids = (all) => [...new Set(all)].sort().map((id) => /** @type {[string, string]} */ ([id, id]));

/** @param {{label: string, value: import("../../vendor/signals-core.js").Signal<string>, of: [string, string][]}} props */
function Pick({ label, value, of }) {
  return html`<select aria-label=${label} value=${value.value} onChange=${(/** @type {any} */ event) => (value.value = event.target.value)}>
      ${of.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
    </select>`;
}
