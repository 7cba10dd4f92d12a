// One question to many cameras: which ones, and their answers side by side.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { computed, signal } from "../../vendor/signals.js";
import { cameras, conditionOf, labels, matching, nameOf } from "../cameras.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { askMany, round, stopRound } from "../round.js";
import { Empty, Loading, State } from "../parts/basics.js";
import { Icon } from "../parts/icon.js";
import { QuestionForm } from "../parts/question-form.js";
import { Round } from "./round.js";

const MOST_ASKED = 256;

const words = signal("");
const label = signal("");
/** Ids of the cameras that are ticked. */
const ticked = signal(/** @type {Set<string>} */ (new Set()));
const found = computed(() => matching(cameras.value ?? [], words.value, label.value));
const chosen = computed(() => (cameras.value ?? []).filter((one) => ticked.value.has(one.id)));

export function AskManyView() {
  const [merge, setMerge] = useState(false);
  const [announced, announce] = useState("");
  const current = round.value;
  const busy = current?.state === "open";
  const answered = current ? [...current.cards.values()].filter((one) => one.answer).length : 0;
  useEffect(() => {
    if (current && !busy) announce(`${counted(answered, "camera")} answered`);
  }, [busy]);
  const ids = chosen.value.map((one) => one.id);
  const blocked = ids.length === 0 ? "Tick cameras first" : ids.length > MOST_ASKED ? `At most ${MOST_ASKED} cameras` : "";
  return html`<div class="view wide">
    <header class="view-head"><h1>Ask many</h1><p class="tally">${counted(ids.length, "camera")} chosen</p></header>
    <span class="unseen" role="status">${announced}</span>
    ${cameras.value === null
      ? html`<${Loading} what="cameras" />`
      : html`<div class="many-columns">
          <${Selection} />
          <div class="many-answers">
            <div class="panel">
              <${QuestionForm} busy=${busy} blocked=${blocked} onStop=${stopRound}
                onAsk=${(/** @type {any} */ asked) => void askMany(ids, asked, merge && ids.length > 1)}>
                <label class="tick"><input type="checkbox" checked=${merge} onChange=${() => setMerge(!merge)} /><span>One answer of all</span></label>
              </${QuestionForm}>
              ${blocked && html`<p class="hint">${blocked}.</p>`}
            </div>
            ${current ? html`<${Round} round=${current} />` : html`<${Empty} title="Tick cameras and ask"><p class="hint">Each answers for itself. With choices they are ranked: which gate is open, and how sure?</p></${Empty}>`}
          </div>
        </div>`}
  </div>`;
}

function Selection() {
  const all = found.value.every((one) => ticked.value.has(one.id)) && found.value.length > 0;
  function set(/** @type {Camera[]} */ which, /** @type {boolean} */ on) {
    const next = new Set(ticked.peek());
    for (const { id } of which) on ? next.add(id) : next.delete(id);
    ticked.value = next;
  }
  return html`<section class="selection panel" aria-label="Which cameras">
    <div class="filters">
      <label class="search"><${Icon} name="search" /><span class="unseen">Find cameras</span>
        <input type="search" placeholder="Name, id or label" value=${words.value} onInput=${(/** @type {any} */ e) => (words.value = e.target.value)} /></label>
      ${labels.value.length > 0 && html`<select aria-label="Label" value=${label.value} onChange=${(/** @type {any} */ e) => (label.value = e.target.value)}>
        <option value="">Any label</option>
        ${labels.value.map(([one, count]) => html`<option key=${one} value=${one}>${one} (${count})</option>`)}
      </select>`}
    </div>
    <label class="tick all"><input type="checkbox" checked=${all} onChange=${() => set(found.value, !all)} />
      <span>All ${words.value || label.value ? "of these" : ""} (${found.value.length})</span></label>
    <ul class="ticks">
      ${found.value.map((camera) => {
        const { word, tone } = conditionOf(camera);
        const on = ticked.value.has(camera.id);
        return html`<li key=${camera.id}><label class="tick"><input type="checkbox" checked=${on} onChange=${() => set([camera], !on)} />
          <span class="tick-name">${nameOf(camera)}</span></label><${State} tone=${tone}>${word}</${State}></li>`;
      })}
    </ul>
  </section>`;
}
