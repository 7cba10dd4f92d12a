// One event: what happened where, the frames that it rests on, and who has taken notice.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { nameOf } from "../cameras.js";
import { acknowledge, fresh, isOpen, readEvent } from "../events.js";
import { ago, duration, ms, percent, time, whole } from "../format.js";
import { html } from "../html.js";
import { to } from "../route.js";
import { useSight } from "../sight.js";
import { tick } from "../ticking.js";
import { Fault, Labels, useWork } from "./basics.js";
import { Evidence } from "./evidence.js";
import { Icon } from "./icon.js";

/** @type {Record<string, string>} */
const ENDS = {
  cleared: "it no longer holds",
  gap: "the stream had a gap",
  watch: "the watch was changed, or its hours are over",
  camera: "the camera was removed",
};

/** @param {{event: EventRecord, camera?: Camera | undefined, brief?: boolean}} props */
export function EventCard({ event, camera, brief = false }) {
  const [place, seen] = useSight();
  useEffect(() => {
    // A listed event names no frames: they are read once somebody sees it.
    if (seen && !event.evidence.length && event.type !== "note") void readEvent(event.id).catch(() => {});
  }, [seen, event.id]);
  const open = isOpen(event);
  const frames = event.evidence.map((one) => ({ url: one.url, captured: one.captured }));
  const what = event.type === "note" ? event.answer : event.sentence;
  return html`<li ref=${place} class="event panel ${fresh.value.has(event.id) ? "fresh" : ""}" data-severity=${event.severity} data-open=${open} data-event=${event.id}>
    <header class="event-head">
      <span class="severity" data-severity=${event.severity}>${event.severity}</span>
      ${!brief && html`<a class="event-watch" href=${to("watch", event.watch_id)}>${event.watch_id}</a>`}
      <a href=${to("camera", event.camera_id)}>${camera ? nameOf(camera) : event.camera_display_name || event.camera_id}</a>
      <span class="grow"></span>
      <time datetime=${event.opened} title=${whole(event.opened)}>${time(event.opened)}, ${ago(event.opened, tick.value)}</time>
    </header>
    <div class="event-body">
      ${seen && frames.length > 0 && html`<${Evidence} frames=${frames} label="Frames that the event rests on" />`}
      <div class="event-text">
        <p class="event-question">${event.question}${event.answer && event.type !== "note" && html` <b>${event.answer}</b>`}</p>
        ${what && html`<p>${what}</p>`}
        <p class="answer-facts">
          <span class=${open ? "open-word" : ""}>${words(event)}</span>
          ${event.value !== null && event.type !== "note" && html`<span>${figure(event.value)}${event.peak !== null && event.peak !== event.value && `, peak ${figure(event.peak)}`}</span>`}
          ${event.lag_s !== null && event.lag_s > 0 && html`<span title="From the capture of the frame to the message">after ${duration(event.lag_s)}</span>`}
        </p>
        <${Labels} labels=${event.labels} />
        ${event.acknowledgement && html`<${Noticed} by=${event.acknowledgement} />`}
      </div>
      <${Notice} event=${event} />
    </div>
  </li>`;
}

/** @param {EventRecord} event */
function words(event) {
  if (event.type === "note") return "a note";
  if (!event.closed) return `open for ${duration(Math.max(1, Math.round((tick.value - ms(event.opened)) / 1000)))}`;
  const length = duration((ms(event.closed) - ms(event.opened)) / 1000);
  return `lasted ${length}; ${ENDS[event.end] ?? event.end}`;
}

/** @param {number} value */
const figure = (value) => (value >= 0 && value <= 1 ? percent(value) : String(Math.round(value * 100) / 100));

/** Who has taken notice. @param {{by: NonNullable<EventRecord["acknowledgement"]>}} props */
function Noticed({ by }) {
  return html`<p class="noticed"><${Icon} name="check" /><span>${by.by || "somebody"}, ${time(by.at)}${by.note && html`: ${by.note}`}</span></p>`;
}

/** The way to take notice. @param {{event: EventRecord}} props */
function Notice({ event }) {
  const [writing, setWriting] = useState(false);
  const [note, setNote] = useState("");
  const { busy, fault, run } = useWork();
  if (event.acknowledgement || event.type === "note") return null;
  if (!writing) return html`<button type="button" class="small" onClick=${() => setWriting(true)}><${Icon} name="check" />Acknowledge</button>`;
  function submit(/** @type {Event} */ submitted) {
    submitted.preventDefault();
    void run(() => acknowledge(event.id, note.trim()));
  }
  return html`<form class="notice" onSubmit=${submit}>
    <label class="unseen" for=${`note-${event.id}`}>A remark for the others</label>
    <input id=${`note-${event.id}`} maxlength="1000" autofocus placeholder="A remark, if you like" value=${note} onInput=${(/** @type {any} */ e) => setNote(e.target.value)} />
    <button class="primary small" disabled=${busy}>Acknowledge</button>
    <button type="button" class="small" onClick=${() => setWriting(false)}>Cancel</button>
    <${Fault}>${fault}</${Fault}>
  </form>`;
}
