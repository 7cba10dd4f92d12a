// One layer of a memory, drawn over time.

import { useEffect, useRef } from "../../vendor/preact-hooks.js";
import { html } from "../html.js";
import { theme } from "../theme.js";

const COLUMNS = 480;
const HEIGHT = 18;

/** @param {{contents: MemoryContents, layer: MemoryLayer, words: string}} props */
export function LayerStrip({ contents, layer, words }) {
  const place = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const shade = theme.value;
  useEffect(() => {
    if (place.current) draw(place.current, contents, layer);
  }, [contents, layer, shade]);
  return html`<canvas ref=${place} class="strip" width=${COLUMNS} height=${HEIGHT} role="img" aria-label=${words} title=${words}></canvas>`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {MemoryContents} contents
 * @param {MemoryLayer} layer
 */
function draw(canvas, contents, layer) {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const times = Object.values(contents.times);
  const first = times[0];
  const last = times[times.length - 1];
  const length = Math.max(1, last - first);
  const style = getComputedStyle(canvas);
  pen.clearRect(0, 0, COLUMNS, HEIGHT);
  const width = Math.max(2, COLUMNS / Math.max(60, times.length));
  for (const frame of layer.frames) {
    const at = contents.times[frame.number];
    if (at === undefined) continue;
    const x = ((at - first) / length) * (COLUMNS - width);
    const whole = contents.taken[frame.number] || contents.frame_tokens || 1;
    pen.globalAlpha = 0.2 + 0.8 * Math.sqrt(Math.min(1, frame.tokens / whole));
    if (frame.tokens) {
      pen.fillStyle = style.color;
      pen.fillRect(x, 0, width, HEIGHT);
    }
    if (frame.summaries) {
      pen.globalAlpha = 1;
      pen.fillStyle = style.accentColor;
      pen.fillRect(x, HEIGHT - 5, width, 5);
    }
  }
}
