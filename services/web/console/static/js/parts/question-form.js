// A question: its text, what its answer looks like, and which time it is about.

import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { ms } from "../format.js";
import { html } from "../html.js";
import { Field, Segments } from "./basics.js";
import { Icon } from "./icon.js";

/** @type {[string, string][]} */
const KINDS = [["text", "Text"], ["yes_no", "Yes or no"], ["choices", "Choices"]];
/** @type {[string, string, number][]} */
const TIMES = [["60", "The last minute", 60], ["600", "The last 10 minutes", 600], ["3600", "The last hour", 3600]];

/**
 * @param {object} props
 * @param {{span: SpanInput, words: string} | null} [props.picked] a range that was picked elsewhere
 * @param {string | null} [props.newest] the newest frame: the last minute ends with it
 * @param {() => void} [props.onAnyTime]
 * @param {boolean} props.busy
 * @param {boolean} [props.follow]
 * @param {string} [props.blocked] why nothing can be asked
 * @param {(asked: import("../conversation.js").Asked) => void} props.onAsk
 * @param {() => void} props.onStop
 * @param {any} [props.children]
 */
export function QuestionForm({ picked = null, newest = null, onAnyTime, busy, follow = false, blocked = "", onAsk, onStop, children }) {
  const [question, setQuestion] = useState("");
  const [kind, setKind] = useState(/** @type {any} */ ("text"));
  const [choices, setChoices] = useState("");
  const [evidence, setEvidence] = useState(true);
  const [when, setWhen] = useState("any");
  useEffect(() => setWhen(picked ? "picked" : "any"), [picked?.words ?? ""]);
  const listed = choices.split(",").map((one) => one.trim()).filter(Boolean);
  const ready = question.trim() && !blocked && (kind !== "choices" || listed.length >= 2);

  function submit(/** @type {Event} */ event) {
    event.preventDefault();
    if (!ready || busy) return;
    const time = TIMES.find(([key]) => key === when);
    /** @type {SpanInput} */
    let span = {};
    if (when === "picked" && picked) span = picked.span;
    // Counted from the newest frame: of a file that was read, the last minute may be long ago.
    else if (time && newest) span = { from: new Date(ms(newest) - time[2] * 1000).toISOString() };
    else if (time) span = { last: `${time[2]}s` };
    const spanWords = when === "picked" && picked ? picked.words : (time?.[1].toLowerCase() ?? "");
    onAsk({ question: question.trim(), kind, choices: listed, span, spanWords, evidence });
    setQuestion("");
  }

  function pick(/** @type {any} */ event) {
    if (event.target.value !== "picked" && picked) onAnyTime?.();
    setWhen(event.target.value);
  }

  return html`<form class="question-form" onSubmit=${submit}>
    <div class="question-box">
      <label class="unseen" for="question">Question</label>
      <textarea id="question" name="question" rows="2" placeholder=${follow ? "Ask on ..." : "What happened?"} value=${question}
        onInput=${(/** @type {any} */ event) => setQuestion(event.target.value)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && submit(event)}></textarea>
      ${busy
        ? html`<button type="button" class="square" onClick=${onStop} aria-label="Stop"><${Icon} name="stop" /></button>`
        : html`<button class="primary square" disabled=${!ready} aria-label="Ask" title=${blocked || "Ask"}><${Icon} name="send" /></button>`}
    </div>
    ${kind === "choices" &&
    html`<${Field} label="Choices, separated by commas"><input name="choices" placeholder="open, shut, ajar" value=${choices}
      onInput=${(/** @type {any} */ event) => setChoices(event.target.value)} /></${Field}>`}
    <div class="question-options">
      <${Segments} name="answer-kind" label="What the answer looks like" value=${kind} of=${KINDS} onPick=${setKind} />
      <select aria-label="Time" value=${when} onChange=${pick}>
        <option value="any">Any time</option>
        ${TIMES.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
        ${picked && html`<option value="picked">${picked.words}</option>`}
      </select>
      <label class="tick"><input type="checkbox" checked=${evidence} onChange=${() => setEvidence(!evidence)} /><span>Evidence</span></label>
      ${children}
    </div>
  </form>`;
}
