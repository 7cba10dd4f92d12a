// Create a watch, or change one; what it would find now can be seen before.

import { useState } from "../../vendor/preact-hooks.js";
import { jpegUrl } from "../api.js";
import { cameras, labels, nameOf, nameOfId } from "../cameras.js";
import { percent } from "../format.js";
import { html } from "../html.js";
import { Fault, Field, Segments, State, useWork } from "../parts/basics.js";
import { Dialog } from "../parts/dialog.js";
import { Evidence } from "../parts/evidence.js";
import { LabelsField } from "../parts/labels-field.js";
import { fieldsOf, watchOf } from "../watch-fields.js";
import { changeWatch, createWatch, tryWatch } from "../watches.js";

/** @type {[string, string][]} */
const FORMS = [["yes_no", "Yes or no"], ["choices", "Choices"], ["number", "Number"], ["diary", "Diary"]];
/** @type {Record<string, [string, string][]>} */
const CONDITIONS = {
  yes_no: [["above", "yes is at least"], ["below", "yes is at most"]],
  choices: [["equals", "it is"], ["changes", "it changes"]],
  number: [["above", "it is at least"], ["below", "it is at most"], ["rate", "it grows a minute by"]],
};

/** @param {{watch?: Watch, onClose: () => void}} props */
export function WatchForm({ watch, onClose }) {
  const [fields, setFields] = useState(fieldsOf(watch));
  const [trials, setTrials] = useState(/** @type {Trial[] | null} */ (null));
  const saving = useWork();
  const trying = useWork();
  const put = (/** @type {any} */ changes) => setFields({ ...fields, ...changes });
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => put({ [name]: event.target.value });
  const pickForm = (/** @type {string} */ form) => put({ form, condition: CONDITIONS[form]?.[0][0] ?? "" });

  function submit(/** @type {Event} */ event) {
    event.preventDefault();
    void saving.run(async () => {
      const made = watchOf(fields);
      if (watch) await changeWatch(watch.id, made);
      else await createWatch({ ...made, id: fields.id.trim() });
      onClose();
    });
  }

  return html`<${Dialog} title=${watch ? `Edit ${watch.id}` : "New watch"} wide onClose=${onClose}>
    <form class="form" onSubmit=${submit}>
      ${!watch && html`<${Field} label="Id"><input name="id" required maxlength="64" pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*" autofocus placeholder="door" spellcheck=${false} autocapitalize="off" value=${fields.id} onInput=${set("id")} /></${Field}>`}
      <${Field} label="Name" wide=${Boolean(watch)}><input name="display_name" maxlength="128" value=${fields.display_name} onInput=${set("display_name")} /></${Field}>
      <${Field} label="Question" wide><input name="text" required placeholder="Is the door open?" value=${fields.text} onInput=${set("text")} /></${Field}>
      <${WhichCameras} fields=${fields} put=${put} />
      <div class="field wide"><span class="field-label">Answer</span>
        <${Segments} name="form" label="Answer" value=${fields.form} of=${FORMS} onPick=${pickForm} /></div>
      <${FormFields} fields=${fields} set=${set} />
      <${Severity} fields=${fields} set=${set} />
      <details class="more wide"><summary>More</summary><div class="form">
        ${fields.form !== "diary" && html`<${Field} label="Cooldown, seconds" hint="A camera opens no other event for so long."><input name="cooldown" type="number" min="0" step="any" value=${fields.cooldown} onInput=${set("cooldown")} /></${Field}>
          <${Field} label="A gap in the stream"><select name="gap" value=${fields.gap} onChange=${set("gap")}><option value="hold">changes nothing</option><option value="close">closes the event</option></select></${Field}>`}
        <${Field} label="Ask at most every, seconds" hint="Empty: after every frame that changed something."><input name="every" type="number" min="0" step="any" value=${fields.every} onInput=${set("every")} /></${Field}>
        <${Field} label="Hours" hint="Mon-Fri 08:00-18:00 Europe/Berlin. Empty: always."><input name="hours" value=${fields.hours} onInput=${set("hours")} /></${Field}>
        <${LabelsField} label="Labels of its events" value=${fields.labels} onInput=${set("labels")} />
      </div></details>
      <div class="wide"><${Found} trials=${trials} busy=${trying.busy} /><${Fault}>${trying.fault || saving.fault}</${Fault}></div>
      <footer class="dialog-foot wide">
        ${fields.form !== "diary" && html`<button type="button" disabled=${!fields.text.trim() || trying.busy}
          onClick=${() => void trying.run(async () => { setTrials(null); setTrials(await tryWatch(watchOf(fields), { evidence: 2 })); })}>${trying.busy ? "Asking ..." : "Try it now"}</button>`}
        <span class="grow"></span>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button class="primary" disabled=${saving.busy}>${watch ? "Save" : "Create"}</button>
      </footer>
    </form>
  </${Dialog}>`;
}

/** @param {{fields: any, put: (changes: any) => void}} props */
function WhichCameras({ fields, put }) {
  const all = cameras.value ?? [];
  function toggle(/** @type {string} */ id) {
    const ids = new Set(fields.camera_ids);
    if (!ids.delete(id)) ids.add(id);
    put({ camera_ids: [...ids] });
  }
  return html`<div class="field wide"><span class="field-label">Cameras</span>
    <${Segments} name="which" label="Which cameras" value=${fields.which} of=${[["ids", "These"], ["selector", "By label"]]} onPick=${(/** @type {string} */ which) => put({ which })} />
    ${fields.which === "ids"
      ? html`<ul class="ticks boxed">${all.map((one) => html`<li key=${one.id}><label class="tick"><input type="checkbox" name="camera" value=${one.id} checked=${fields.camera_ids.includes(one.id)} onChange=${() => toggle(one.id)} /><span class="tick-name">${nameOf(one)}</span></label></li>`)}</ul>`
      : html`<input name="selector" aria-label="Selector" list="known-labels" placeholder="site=dock,floor!=2" value=${fields.selector} onInput=${(/** @type {any} */ e) => put({ selector: e.target.value })} />
          <datalist id="known-labels">${labels.value.map(([one]) => html`<option key=${one} value=${one} />`)}</datalist>
          <span class="hint">Also cameras that get the label later.</span>`}
  </div>`;
}

/** @param {{fields: any, set: (name: string) => (event: any) => void}} props */
function FormFields({ fields, set }) {
  if (fields.form === "diary") return html`<${Field} label="A note every, seconds"><input name="interval" type="number" min="1" step="any" required value=${fields.interval} onInput=${set("interval")} /></${Field}>`;
  const share = fields.form !== "number";
  const needsValue = fields.condition !== "changes";
  return html`
    ${fields.form === "choices" && html`<${Field} label="Choices, separated by commas" wide><input name="choices" required placeholder="open, shut, ajar" value=${fields.choices} onInput=${set("choices")} /></${Field}>`}
    <${Field} label="An event opens when"><select name="condition" value=${fields.condition} onChange=${set("condition")}>
      ${CONDITIONS[fields.form].map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select></${Field}>
    ${fields.condition === "equals" && html`<${Field} label="Which of them"><input name="equals" required placeholder="open" value=${fields.equals} onInput=${set("equals")} /></${Field}>`}
    ${needsValue && html`<${Field} label=${fields.condition === "equals" ? "With a probability of" : share ? "Probability, 0 to 1" : "Number"}>
      <input name="value" type="number" step="any" min=${share ? 0 : undefined} max=${share ? 1 : undefined} required=${fields.condition !== "equals"} placeholder=${fields.condition === "equals" ? "0.5" : ""} value=${fields.value} onInput=${set("value")} /></${Field}>`}
    <${Field} label="For, seconds" hint="It must hold for so long."><input name="hold" type="number" min="0" step="any" value=${fields.hold} onInput=${set("hold")} /></${Field}>`;
}

/** @param {{fields: any, set: (name: string) => (event: any) => void}} props */
function Severity({ fields, set }) {
  return html`<${Field} label="Severity"><select name="severity" value=${fields.severity} onChange=${set("severity")}>
    ${["info", "warning", "critical"].map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></${Field}>`;
}

/** What a trial has found. @param {{trials: Trial[] | null, busy: boolean}} props */
function Found({ trials, busy }) {
  if (busy) return html`<p class="loading" role="status">Each camera is asked ...</p>`;
  if (!trials) return null;
  return html`<ul class="trials" role="status" aria-label="What it finds now">
    ${trials.map(({ camera_id: id, evaluation, evidence, message }) => html`<li key=${id}>
      <b>${nameOfId(id)}</b>
      ${evaluation
        ? html`<span>${evaluation.choices.length ? evaluation.choices.map(([text, share]) => `${text} ${percent(share)}`).join(", ") : evaluation.value <= 1 ? percent(evaluation.value) : evaluation.value}</span>
            <${State} tone=${evaluation.holds ? "bad" : "ok"}>${evaluation.holds ? "an event would open" : "nothing would open"}</${State}>
            ${evidence.length > 0 && html`<${Evidence} frames=${evidence.filter((one) => one.picture).map((one) => ({ url: jpegUrl(one.picture), captured: one.captured }))} />`}`
        : html`<span class="bad">${message}</span>`}
    </li>`)}
  </ul>`;
}
