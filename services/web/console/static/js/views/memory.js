// What a camera's memory holds, layer by layer.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { cameraPath, get } from "../api.js";
import { bytes, counted } from "../format.js";
import { html } from "../html.js";
import { Fault, Loading, Segments } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { LayerStrip } from "../parts/layer-strip.js";
import { poll } from "../polling.js";
import { said } from "../problem.js";

const EVERY_MS = 5000;

/** @type {Record<string, string>} */
const BANDS = { sensory: "Sensory: the newest", working: "Working: new and relevant", long_term: "Long-term: relevant, however old" };

/** @param {{camera: Camera}} props */
export function MemoryPanel({ camera }) {
  const [contents, setContents] = useState(/** @type {MemoryContents | null} */ (null));
  const [fault, setFault] = useState("");
  const [drawn, setDrawn] = useState("layers");
  const svg = `/api/v1${cameraPath(camera.id)}/memory.svg`;
  useEffect(
    () =>
      poll(async () => {
        try {
          setContents(await get(`${cameraPath(camera.id)}/memory`));
          setFault("");
        } catch (error) {
          setFault(said(error));
        }
      }, EVERY_MS),
    [camera.id],
  );
  if (!contents) return fault ? html`<${Fault}>${fault}</${Fault}>` : html`<${Loading} what="the memory" />`;
  return html`<div class="memory panel">
    <header class="panel-head">
      <p class="tally">${counted(Object.keys(contents.times).length, "frame")} of ${contents.frames_seen.toLocaleString()} held, ${contents.tokens} of ${contents.budget} tokens a layer, ${bytes(contents.bytes)}, policy ${contents.policy}</p>
      <${Segments} name="drawn" label="How it is drawn" value=${drawn} of=${[["layers", "Layers"], ["picture", "Picture"]]} onPick=${setDrawn} />
    </header>
    ${drawn === "picture"
      ? html`<a class="memory-picture" href=${svg} target="_blank" rel="noopener" title="Open the picture by itself">
          <img src=${`${svg}?${contents.frames_seen}`} alt="Drawing of the memory: layers by capture time" /><${Icon} name="external" /></a>`
      : html`<${Layers} contents=${contents} />`}
  </div>`;
}

/** @param {{contents: MemoryContents}} props */
function Layers({ contents }) {
  const bands = [...new Set(contents.layers.map((layer) => layer.band))];
  return html`<div class="layers">
    ${bands.map((band) => {
      const layers = contents.layers.filter((layer) => layer.band === band);
      return html`<section key=${band} data-band=${band} aria-label=${BANDS[band] ?? band}>
        <h3>${BANDS[band] ?? band}</h3>
        ${layers.map((layer) => {
          const held = layer.frames.reduce((sum, frame) => sum + frame.tokens + frame.summaries, 0);
          const words = `Layer ${layer.number}: ${counted(layer.frames.length, "frame")}, ${counted(held, "token")}`;
          return html`<div class="layer" key=${layer.number}>
            <span class="layer-name">${layer.number}</span>
            <${LayerStrip} contents=${contents} layer=${layer} words=${words} />
            <span class="layer-figure">${counted(layer.frames.length, "frame")}</span>
          </div>`;
        })}
      </section>`;
    })}
    <p class="hint">From the oldest frame (left) to the newest (right). The darker, the more of a frame is held; a mark at the foot is a summary of what was evicted.</p>
  </div>`;
}
