// A watch's value over time: at the ends of its events, and as it is measured while somebody looks.

import { useEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { nameOfId } from "../cameras.js";
import { ms } from "../format.js";
import { html } from "../html.js";
import { Fault, useWork } from "../parts/basics.js";
import { tick } from "../ticking.js";
import { limitOf, tryWatch } from "../watches.js";
import { drawSeries } from "../parts/plot.js";

const EVERY_MS = 5000;
const KEPT = 720;

/** @typedef {{at: number, camera: string, value: number | null}} Point */

/** What was measured, by watch; it stays while the page does. @type {Map<string, Point[]>} */
const measured = new Map();

/** @param {{watch: Watch, events: EventRecord[]}} props */
export function Series({ watch, events }) {
  const [measuring, setMeasuring] = useState(false);
  const [count, setCount] = useState(0);
  const { fault, run } = useWork();
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!measuring) return undefined;
    const leaving = new AbortController();
    const turn = () => void run(async () => {
      if (document.hidden) return;
      const trials = await tryWatch({ ...settingsOf(watch) }, { signal: leaving.signal });
      const points = measured.get(watch.id) ?? [];
      for (const { camera_id: camera, evaluation } of trials) {
        if (evaluation) points.push({ at: ms(evaluation.captured) || tick.peek(), camera, value: valueOf(watch, evaluation) });
      }
      measured.set(watch.id, points.slice(-KEPT * Math.max(1, trials.length)));
      setCount((one) => one + 1);
    });
    turn();
    const timer = setInterval(turn, EVERY_MS);
    return () => {
      clearInterval(timer);
      leaving.abort();
    };
  }, [measuring, watch.id, watch.version]);
  const points = measured.get(watch.id) ?? [];
  const known = events.length + points.length;
  useEffect(() => {
    if (!place.current || !known) return undefined;
    return drawSeries(place.current, { points: [...fromEvents(events), ...points], events, limit: limitOf(watch), nameOf: nameOfId, share: watch.form.kind !== "number" });
  }, [count, events.map((one) => `${one.id}${one.sequence}`).join(), watch.version]);
  return html`<section class="panel series" aria-label="Values over time">
    <header class="panel-head"><h2>${watch.form.kind === "number" ? "The number" : "Probability"}</h2>
      <label class="tick" title="Asks the model about each of its cameras, as Try it now does">
        <input type="checkbox" checked=${measuring} onChange=${() => setMeasuring(!measuring)} /><span>Measure every 5 s</span></label>
    </header>
    ${known ? html`<div class="plot" ref=${place}></div>` : html`<p class="hint">Nothing is known yet. Measure it, or wait for its first event.</p>`}
    ${events.length > 0 && html`<p class="hint">Shaded: an event was open. Its line is at the peak of the event, and at its end what the value was then. The dashed line is the limit.</p>`}
    <${Fault}>${measuring && fault}</${Fault}>
  </section>`;
}

/**
 * What an event tells of the value: its peak while it was open, and what it was when it closed.
 * Between events nothing is known.
 * @param {EventRecord[]} events
 * @returns {Point[]}
 */
function fromEvents(events) {
  return events.flatMap((one) => {
    if (one.value === null) return [];
    const camera = one.camera_id;
    const peak = one.peak ?? one.value;
    const from = ms(one.opened);
    if (!one.closed) return [{ at: from, camera, value: peak }, { at: tick.peek(), camera, value: peak }];
    const to = Math.max(ms(one.closed), from + 1);
    return [
      { at: from, camera, value: peak },
      { at: to, camera, value: peak },
      { at: to + 1, camera, value: one.value },
      { at: to + 2, camera, value: null },
    ];
  });
}

/** @param {Watch} watch @param {Evaluation} evaluation */
function valueOf(watch, evaluation) {
  const condition = watch.trigger?.condition;
  if (watch.form.kind !== "choices") return evaluation.value;
  const wanted = condition?.kind === "equals" ? (condition.choices ?? []) : [evaluation.answer];
  return evaluation.choices.reduce((sum, [text, share]) => sum + (wanted.includes(text) ? share : 0), 0);
}

/** What a trial needs of a watch. @param {Watch} watch */
export function settingsOf({ id, text, camera_ids, selector, form, trigger }) {
  return { id, text, camera_ids, selector, form, trigger };
}
