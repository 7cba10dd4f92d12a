// The conversation about one camera.

import { useEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { begin, ask, conversationOf, stop } from "../conversation.js";
import { time } from "../format.js";
import { html } from "../html.js";
import { Empty } from "../parts/basics.js";
import { QuestionForm } from "../parts/question-form.js";
import { Exchange } from "./exchange.js";

/**
 * @param {{camera: Camera, range: AskedRange | null, onAnyTime: () => void, onMoment: (moment: number) => void}} props
 */
export function Ask({ camera, range, onAnyTime }) {
  const exchanges = conversationOf(camera.id).value;
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [announced, announce] = useState("");
  const last = exchanges[exchanges.length - 1];
  useEffect(() => {
    if (last?.state === "done") announce(`Answer: ${last.text}`);
    if (last?.state === "failed") announce(`No answer: ${last.fault}`);
  }, [last?.number, last?.state]);
  useEffect(() => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [exchanges.length, last?.text, last?.state]);
  const picked = range && {
    span: { from: iso(range.from), ...(range.to ? { to: iso(range.to) } : {}) },
    words: `${time(range.from)} to ${range.to ? time(range.to) : "now"}`,
  };
  return html`<header class="panel-head">
      <h2>Ask</h2>
      ${exchanges.length > 0 && html`<button type="button" class="small" onClick=${() => begin(camera.id)}>New conversation</button>`}
    </header>
    <span class="unseen" role="status">${announced}</span>
    <div class="exchanges" ref=${list} tabindex=${exchanges.length ? 0 : undefined} role=${exchanges.length ? "log" : undefined} aria-label="Conversation" aria-live="off">
      ${exchanges.length === 0
        ? html`<${Empty} title="Ask what it has seen"><p class="hint">About everything that it remembers, or about a range that you pick on the timeline. The frames that an answer rests on are shown with it.</p></${Empty}>`
        : exchanges.map((one) => html`<${Exchange} key=${one.number} exchange=${one} />`)}
    </div>
    <${QuestionForm}
      picked=${picked}
      newest=${camera.memory.coverage.span?.end ?? null}
      onAnyTime=${onAnyTime}
      busy=${last?.state === "open"}
      follow=${exchanges.length > 0}
      onAsk=${(/** @type {any} */ asked) => void ask(camera.id, asked)}
      onStop=${() => stop(camera.id)}
    />`;
}

/** @param {number} ms */
const iso = (ms) => new Date(ms).toISOString();
