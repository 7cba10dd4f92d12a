// Change what people call a camera and its labels; remove it.

import { useState } from "../../vendor/preact-hooks.js";
import { cameraPath, patch, remove } from "../api.js";
import { nameOf, readCameras } from "../cameras.js";
import { html } from "../html.js";
import { Fault, Field, useWork } from "../parts/basics.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { LabelsField, readLabels, writtenLabels } from "../parts/labels-field.js";
import { go } from "../route.js";

/** @param {{camera: Camera, onClose: () => void}} props */
export function EditCamera({ camera, onClose }) {
  const [name, setName] = useState(camera.display_name);
  const [labels, setLabels] = useState(writtenLabels(camera.labels));
  const { busy, fault, run } = useWork();
  function submit(/** @type {Event} */ event) {
    event.preventDefault();
    void run(async () => {
      await patch(cameraPath(camera.id), { display_name: name.trim(), labels: readLabels(labels) });
      await readCameras();
      onClose();
    });
  }
  return html`<${Dialog} title=${`Edit ${camera.id}`} onClose=${onClose}>
    <form class="form" onSubmit=${submit}>
      <${Field} label="Name" wide>
        <input name="display_name" maxlength="128" autofocus value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} />
      </${Field}>
      <${LabelsField} value=${labels} onInput=${(/** @type {any} */ e) => setLabels(e.target.value)} />
      <p class="hint wide">Its memory stays. For another address, remove the camera and add it again.</p>
      <div class="wide"><${Fault}>${fault}</${Fault}></div>
      <footer class="dialog-foot wide">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button class="primary" disabled=${busy}>Save</button>
      </footer>
    </form>
  </${Dialog}>`;
}

/** @param {{camera: Camera, onClose: () => void}} props */
export function RemoveCamera({ camera, onClose }) {
  const { busy, fault, run } = useWork();
  function yes() {
    void run(async () => {
      await remove(cameraPath(camera.id));
      go("live");
      await readCameras();
    });
  }
  return html`<${Confirm} title="Remove the camera?" verb="Remove" busy=${busy} onYes=${yes} onClose=${onClose}
    fault=${html`<${Fault}>${fault}</${Fault}>`}>
    <p><b>${nameOf(camera)}</b> goes, with its frames and all that it remembers. This cannot be undone.</p>
  </${Confirm}>`;
}
