// What a camera remembers over time. A press shows a moment, a drag picks a range to ask about.

import { useEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { events } from "../events.js";
import { clock, duration, ms, time } from "../format.js";
import { html } from "../html.js";
import { Filmstrip } from "./filmstrip.js";
import { Segments } from "./basics.js";
import { moments, placed, reach, stretches } from "./spans.js";

const LEAST_DRAG_PX = 5;
const LEAST_RANGE_MS = 500;
/** @type {[string, string, number][]} */
const ZOOMS = [["all", "All", Infinity], ["86400", "1 day", 86_400], ["3600", "1 h", 3600], ["600", "10 min", 600], ["60", "1 min", 60]];
/** @type {[string, string][]} */
const LEGEND = [["whole", "held whole"], ["thinned", "thinned"], ["forgotten", "forgotten"], ["gap", "gap"], ["event", "event"]];

/**
 * @param {object} props
 * @param {Camera} props.camera
 * @param {AskedRange | null} props.range
 * @param {number | null} props.moment
 * @param {(range: AskedRange | null) => void} props.onRange
 * @param {(moment: number) => void} props.onMoment
 */
export function Timeline({ camera, range, moment, onRange, onMoment }) {
  const [zoom, setZoom] = useState("all");
  const all = reach(camera.memory.coverage);
  if (!all) return null;
  const longS = (all.to - all.from) / 1000;
  const zooms = ZOOMS.filter(([key, , s]) => key === "all" || s < longS);
  const chosen = zooms.find(([key]) => key === zoom) ?? zooms[0];
  const window = { from: Math.max(all.from, all.to - chosen[2] * 1000), to: all.to };
  return html`<section class="timeline" aria-label="Timeline">
    <div class="timeline-head">
      <ul class="legend" aria-label="Legend">${LEGEND.map(([kind, text]) => html`<li key=${kind}><i data-kind=${kind}></i>${text}</li>`)}</ul>
      ${zooms.length > 1 && html`<${Segments} name="zoom" label="How much is shown" value=${chosen[0]} of=${zooms.map(([key, text]) => [key, text])} onPick=${setZoom} />`}
    </div>
    <${Track} camera=${camera} window=${window} range=${range} moment=${moment} onRange=${onRange} onMoment=${onMoment} />
    <${Picked} range=${range} moment=${moment} window=${window} onRange=${onRange} />
    <${Filmstrip} camera=${camera} window=${range ? { from: range.from, to: range.to ?? window.to } : window} onMoment=${onMoment} moment=${moment} />
  </section>`;
}

/**
 * @param {object} props
 * @param {Camera} props.camera
 * @param {import("./spans.js").Window} props.window
 * @param {AskedRange | null} props.range
 * @param {number | null} props.moment
 * @param {(range: AskedRange | null) => void} props.onRange
 * @param {(moment: number) => void} props.onMoment
 */
function Track({ camera, window, range, moment, onRange, onMoment }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const drag = useRef({ from: 0, x: 0, on: false });
  const at = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {HTMLElement} */ (place.current).getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return window.from + share * (window.to - window.from);
  };
  const handlers = {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0) return;
      drag.current = { from: at(event), x: event.clientX, on: true };
      place.current?.setPointerCapture(event.pointerId);
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      if (!drag.current.on || Math.abs(event.clientX - drag.current.x) < LEAST_DRAG_PX) return;
      const [from, to] = [drag.current.from, at(event)].sort((a, b) => a - b);
      if (to - from >= LEAST_RANGE_MS) onRange({ from, to });
    },
    onPointerUp: (/** @type {PointerEvent} */ event) => {
      if (drag.current.on && Math.abs(event.clientX - drag.current.x) < LEAST_DRAG_PX) onMoment(at(event));
      drag.current.on = false;
    },
    onKeyDown: (/** @type {KeyboardEvent} */ event) => {
      const step = (window.to - window.from) / (event.shiftKey ? 10 : 100);
      const now = moment ?? window.to;
      const next = { ArrowLeft: now - step, ArrowRight: now + step, Home: window.from, End: window.to }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      onMoment(Math.min(window.to, Math.max(window.from, next)));
    },
  };
  const here = events.value.filter((one) => one.camera_id === camera.id);
  return html`<div class="track-frame">
    <div class="track" ref=${place} tabindex="0" role="slider" aria-label="Moment that is shown"
      aria-valuemin=${0} aria-valuemax=${100} aria-valuetext=${time(moment ?? window.to)}
      aria-valuenow=${Math.round((100 * ((moment ?? window.to) - window.from)) / (window.to - window.from))} ...${handlers}>
      ${stretches(camera.memory.coverage).map(({ kind, from, to, title }) => {
        const style = placed(window, from, to);
        return style && html`<i key=${`${kind}${from}`} class="stretch" data-kind=${kind} title=${title} style=${style}></i>`;
      })}
      ${range && html`<i class="range" style=${placed(window, range.from, range.to ?? window.to)}></i>`}
      ${moment !== null && html`<i class="moment" style=${placed(window, moment, moment)}></i>`}
    </div>
    <div class="marks">
      ${here.map((one) => {
        const style = placed(window, ms(one.opened), one.closed ? ms(one.closed) : window.to);
        // One that has just begun is at the very end, and still to be seen.
        const left = style && `min(${style.left}, 100% - 8px)`;
        return style && html`<button type="button" key=${one.id} class="mark-event" data-severity=${one.severity} style=${{ ...style, left }}
          title=${`${one.watch_id}: ${time(one.opened)}`} aria-label=${`Event of ${one.watch_id}, ${time(one.opened)}`}
          onClick=${() => onMoment(ms(one.opened))}></button>`;
      })}
    </div>
    <${Axis} window=${window} />
  </div>`;
}

/** @param {{window: import("./spans.js").Window}} props */
function Axis({ window }) {
  const narrow = globalThis.innerWidth < 600;
  return html`<div class="axis" aria-hidden="true">
    ${moments(window, narrow ? 3 : 6).map((at) => html`<span key=${at} style=${{ left: placed(window, at, at)?.left }}>${clock(at)}</span>`)}
  </div>`;
}

/**
 * The range that is asked about, in words, and its ends for who uses the keyboard.
 * @param {{range: AskedRange | null, moment: number | null, window: import("./spans.js").Window, onRange: (range: AskedRange | null) => void}} props
 */
function Picked({ range, moment, window, onRange }) {
  const [announced, announce] = useState("");
  const text = range ? `${time(range.from)} to ${range.to ? time(range.to) : "now"}` : "";
  useEffect(() => {
    const timer = setTimeout(() => announce(text && `Asked about ${text}`), 500);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class="picked">
    <span class="unseen" role="status">${announced}</span>
    ${range
      ? html`<span>Asked about <b>${text}</b> (${duration(((range.to ?? window.to) - range.from) / 1000)})</span>
          <button type="button" class="small" onClick=${() => onRange(null)}>Any time</button>`
      : html`<span class="hint">Press to see a moment, drag to pick a range for questions.</span>`}
    ${moment !== null &&
    html`<button type="button" class="small" onClick=${() => onRange({ from: moment, to: range?.to && range.to > moment ? range.to : window.to })}>From here</button>
      <button type="button" class="small" onClick=${() => onRange({ from: range && range.from < moment ? range.from : window.from, to: moment })}>Until here</button>`}
  </div>`;
}
