// One question with its answer, and what the answer rests on.

import { jpegUrl } from "../api.js";
import { counted, duration, percent, time } from "../format.js";
import { html } from "../html.js";
import { Bars } from "../parts/bars.js";
import { Fault } from "../parts/basics.js";
import { Evidence, weight } from "../parts/evidence.js";

/** @param {{exchange: import("../conversation.js").Exchange}} props */
export function Exchange({ exchange }) {
  const { asked, state, text, answer, fault } = exchange;
  return html`<article class="exchange" data-state=${state}>
    <p class="question">${asked.question}${asked.spanWords && html`<span class="hint">${asked.spanWords}</span>`}</p>
    ${(text || state === "open") && html`<p class="answer">${text}${state === "open" && html`<i class="caret" aria-hidden="true"></i>`}</p>`}
    ${state === "stopped" && html`<p class="hint">Stopped.</p>`}
    <${Fault}>${fault}</${Fault}>
    ${answer && html`<${AnswerFacts} answer=${answer} />`}
  </article>`;
}

/** @param {{answer: Answer}} props */
export function AnswerFacts({ answer }) {
  const { choices, evidence, coverage, timings } = answer;
  return html`
    ${choices.length > 0 && html`<${Bars} label="Probabilities" rows=${choices.map((one) => ({ name: one.text, share: one.probability }))} />`}
    ${evidence && evidence.frames.length > 0 && html`<${Evidence} frames=${evidence.frames.map(shownOf)} />`}
    ${evidence && evidence.frames.length === 0 && html`<p class="hint">No frame stands out: hiding frames does not change the answer.</p>`}
    <p class="answer-facts">
      ${timings.gateway_time_to_first_token_s !== null && html`<span title="From the question to the first word">first word ${duration(timings.gateway_time_to_first_token_s)}</span>`}
      ${coverage.span && html`<span>${counted(coverage.frames, "frame")}, ${time(coverage.span.start)} to ${time(coverage.span.end)}</span>`}
      ${answer.span && html`<span>${spanWords(answer.span)}</span>`}
      <span>${answer.model}</span>
      ${answer.finish_reason === "length" && html`<span class="bad">cut off at its longest</span>`}
      ${answer.dropped_turns > 0 && html`<span>${counted(answer.dropped_turns, "earlier turn")} left out</span>`}
    </p>`;
}

/** @param {EvidenceFrame} frame */
export function shownOf(frame) {
  return {
    url: frame.picture && jpegUrl(frame.picture),
    captured: frame.captured,
    note: weight(frame.fall),
  };
}

/**
 * How much of the span memory covers, in words.
 * @param {SpanCoverage} span
 */
function spanWords(span) {
  const all = span.whole_s + span.thinned_s + span.forgotten_s + span.unseen_s;
  if (!all) return "";
  const parts = [];
  if (span.forgotten_s > 0) parts.push(`${percent(span.forgotten_s / all)} of the time forgotten`);
  if (span.unseen_s > 0) parts.push(`${percent(span.unseen_s / all)} not seen`);
  return parts.join(", ") || "all of the time held";
}
