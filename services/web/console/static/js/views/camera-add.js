// Add a camera: look first what its address gives, then add it.

import { useState } from "../../vendor/preact-hooks.js";
import { jpegUrl, post } from "../api.js";
import { readCameras } from "../cameras.js";
import { bytes, duration, plain } from "../format.js";
import { html } from "../html.js";
import { Fault, Field, useWork } from "../parts/basics.js";
import { Dialog } from "../parts/dialog.js";
import { LabelsField, readLabels } from "../parts/labels-field.js";
import { go } from "../route.js";

const PROBE_S = 20;

/** @param {{onClose: () => void}} props */
export function AddCamera({ onClose }) {
  const [given, setGiven] = useState({
    id: "", url: "", display_name: "", labels: "", fps: "", loop: false,
    rotate: "", aspect: "", transport: "auto", mirror: false,
  });
  const [probe, setProbe] = useState(/** @type {Probe | null} */ (null));
  const adding = useWork();
  const probing = useWork();
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => {
    const { type, checked, value } = event.target;
    setGiven({ ...given, [name]: type === "checkbox" ? checked : value });
  };

  function picture() {
    const { rotate, aspect, transport, mirror } = given;
    return { rotate: rotate === "" ? null : Number(rotate), aspect, transport, mirror };
  }

  function look() {
    setProbe(null);
    void probing.run(async () => {
      const source = {
        url: given.url, camera_id: given.id, picture: picture(),
        frames_per_second: Number(given.fps) || 0, thumbnail: true,
      };
      setProbe(await post("/probes", source, { timeoutS: PROBE_S }));
    });
  }

  function submit(/** @type {Event} */ event) {
    event.preventDefault();
    void adding.run(async () => {
      const camera = {
        id: given.id.trim(), url: given.url.trim(), display_name: given.display_name.trim(),
        labels: readLabels(given.labels), frames_per_second: Number(given.fps) || 0,
        loop: given.loop, picture: picture(),
      };
      await post("/cameras", camera);
      await readCameras();
      onClose();
      go("camera", camera.id);
    });
  }

  return html`<${Dialog} title="Add a camera" wide onClose=${onClose}>
    <form class="form" onSubmit=${submit}>
      <${Field} label="Address" wide hint="rtsp://, rtsps://, http://, https://, or a file in the media folder. A password in it is never shown again.">
        <input name="url" required autofocus spellcheck=${false} autocapitalize="off" placeholder="rtsp://camera.example.com/stream1"
          value=${given.url} onInput=${set("url")} />
      </${Field}>
      <${Field} label="Id" hint="Letters, digits, dot, dash, underscore. It stays.">
        <input name="id" required maxlength="64" pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*" spellcheck=${false} autocapitalize="off"
          placeholder="lobby" value=${given.id} onInput=${set("id")} />
      </${Field}>
      <${Field} label="Name" hint="What people call it.">
        <input name="display_name" maxlength="128" value=${given.display_name} onInput=${set("display_name")} />
      </${Field}>
      <${LabelsField} value=${given.labels} onInput=${set("labels")} />
      <details class="more wide"><summary>Picture and pace</summary><div class="form">
        <${Field} label="Frames a second" hint="Empty: the deployment's default.">
          <input name="fps" type="number" min="0" max="30" step="any" value=${given.fps} onInput=${set("fps")} />
        </${Field}>
        <${Field} label="Transport"><select name="transport" value=${given.transport} onChange=${set("transport")}>
          <option value="auto">as the server likes</option><option value="tcp">TCP</option><option value="udp">UDP</option>
        </select></${Field}>
        <${Field} label="Turn"><select name="rotate" value=${given.rotate} onChange=${set("rotate")}>
          <option value="">as the source says</option>
          ${["0", "90", "180", "270"].map((one) => html`<option key=${one} value=${one}>${one}°</option>`)}
        </select></${Field}>
        <${Field} label="Shape" hint="16:9, or square for square pixels. Empty: as the source says.">
          <input name="aspect" value=${given.aspect} onInput=${set("aspect")} />
        </${Field}>
        <label class="tick"><input type="checkbox" checked=${given.mirror} onChange=${set("mirror")} /><span>Mirror it</span></label>
        <label class="tick"><input type="checkbox" checked=${given.loop} onChange=${set("loop")} /><span>Begin a file again at its end</span></label>
      </div></details>
      <div class="wide"><${Found} probe=${probe} busy=${probing.busy} /><${Fault}>${probing.fault || adding.fault}</${Fault}></div>
      <footer class="dialog-foot wide">
        <button type="button" disabled=${!given.url || probing.busy} onClick=${look}>${probing.busy ? "Probing ..." : "Probe"}</button>
        <span class="grow"></span>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button class="primary" disabled=${adding.busy}>${adding.busy ? "Adding ..." : "Add"}</button>
      </footer>
    </form>
  </${Dialog}>`;
}

/** What a probe has found. @param {{probe: Probe | null, busy: boolean}} props */
function Found({ probe, busy }) {
  if (busy) return html`<p class="loading" role="status">The source is being opened. This takes up to nine seconds.</p>`;
  if (!probe) return null;
  const { picture } = probe;
  if (probe.error && !picture) {
    return html`<${Fault}>${plain(probe.error)}: ${probe.error_message || "it could not be opened"}</${Fault}>`;
  }
  return html`<div class="probe" role="status">
    ${probe.thumbnail && html`<img src=${jpegUrl(probe.thumbnail)} alt="What the source shows" />`}
    <dl class="facts-list">
      ${probe.error && html`<dt>Fault</dt><dd class="bad">${probe.error_message || plain(probe.error)}</dd>`}
      ${picture && html`<dt>Video</dt><dd>${picture.codec} ${picture.coded_width}×${picture.coded_height}${picture.frames_per_second > 0 && `, ${Math.round(picture.frames_per_second * 100) / 100} frames a second`}</dd>`}
      ${probe.frame_bytes > 0 && html`<dt>Taken</dt><dd>${Math.round(probe.frames_per_second * 100) / 100} frames a second, ${picture?.frame_width}×${picture?.frame_height}, ${bytes(probe.frame_bytes)} each</dd>`}
      ${probe.key_frame_interval_s !== null && html`<dt>Key frames</dt><dd>every ${probe.key_frame_interval_open && "so long, or longer: "}${duration(probe.key_frame_interval_s)}</dd>`}
      ${probe.length_s !== null && html`<dt>Length</dt><dd>${duration(probe.length_s)}</dd>`}
      ${probe.decoder && html`<dt>Decoder</dt><dd>${probe.decoder}</dd>`}
    </dl>
  </div>`;
}

