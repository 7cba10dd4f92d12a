// Some of the frames that a camera remembers, spread over a stretch of time.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { cameraPath, get } from "../api.js";
import { clock, ms, time } from "../format.js";
import { html } from "../html.js";
import { regained } from "../link.js";

const SETTLED_MS = 350;
const LEAST_STEP_MS = 1000;
/** It is read again when the stretch has moved by this part of itself. */
const MOVED = 1 / 20;
const WIDTH_PX = 92;

/**
 * @param {{camera: Camera, window: import("./spans.js").Window, moment: number | null, onMoment: (moment: number) => void}} props
 */
export function Filmstrip({ camera, window, moment, onMoment }) {
  const [frames, setFrames] = useState(/** @type {Frame[]} */ ([]));
  const step = Math.max(LEAST_STEP_MS, (window.to - window.from) * MOVED);
  const from = Math.floor(window.from / step);
  const to = Math.floor(window.to / step);
  useEffect(() => {
    const leaving = new AbortController();
    const timer = setTimeout(async () => {
      const width = document.querySelector(".timeline")?.clientWidth ?? 640;
      const query = {
        from: new Date(window.from).toISOString(),
        to: new Date(window.to).toISOString(),
        limit: Math.max(3, Math.min(16, Math.floor(width / WIDTH_PX))),
      };
      try {
        const found = await get(`${cameraPath(camera.id)}/frames`, query, { signal: leaving.signal });
        setFrames(found.frames);
      } catch {
        // Those from before stay.
      }
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [camera.id, from, to, regained.value]);
  const kept = frames.filter((frame) => frame.url);
  if (!kept.length) return null;
  return html`<ul class="filmstrip" aria-label="Frames that it remembers">
    ${kept.map(
      (frame) => html`<li key=${frame.captured}>
        <button type="button" class="thumbnail" aria-pressed=${moment !== null && ms(frame.captured) === moment}
          onClick=${() => onMoment(ms(frame.captured))}>
          <img src=${frame.url} alt=${`Frame of ${time(frame.captured)}`} loading="lazy" />
          <span class="caption">${clock(frame.captured)}</span>
        </button>
      </li>`,
    )}
  </ul>`;
}
