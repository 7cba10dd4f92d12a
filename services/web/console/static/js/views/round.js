// The answers of many cameras: ranked where there are choices, and a card for each.

import { nameOfId } from "../cameras.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { Bars } from "../parts/bars.js";
import { Fault, Segments } from "../parts/basics.js";
import { Evidence } from "../parts/evidence.js";
import { useState } from "../../vendor/preact-hooks.js";
import { to } from "../route.js";
import { shownOf } from "./exchange.js";

/** @param {{round: import("../round.js").RoundRecord}} props */
export function Round({ round }) {
  const cards = [...round.cards.values()];
  const done = cards.filter((one) => one.answer || one.fault).length;
  const choices = cards.find((one) => one.answer?.choices.length)?.answer?.choices.map((one) => one.text) ?? [];
  return html`<section class="round" aria-label="Answers">
    <p class="question">${round.asked.question}${round.asked.spanWords && html`<span class="hint">${round.asked.spanWords}</span>`}</p>
    <p class="tally">${round.state === "open" ? `${done} of ${counted(cards.length, "camera")}` : round.state === "stopped" ? "Stopped." : ""}</p>
    <${Fault}>${round.fault}</${Fault}>
    ${round.merged && (round.merged.text || round.merged.fault) &&
    html`<article class="panel merged"><h2>Of all cameras</h2><p class="answer">${round.merged.text}</p><${Fault}>${round.merged.fault}</${Fault}></article>`}
    ${choices.length > 0 && html`<${Ranked} cards=${cards} choices=${choices} />`}
    <ul class="answers">
      ${cards.map((card) => html`<${AnswerCard} key=${card.id} card=${card} open=${round.state === "open"} />`)}
    </ul>
  </section>`;
}

/** @param {{card: import("../round.js").Card, open: boolean}} props */
function AnswerCard({ card, open }) {
  const { answer } = card;
  return html`<li class="answer-card panel" data-camera=${card.id}>
    <h3><a href=${to("camera", card.id)}>${nameOfId(card.id)}</a></h3>
    ${card.fault
      ? html`<p class="hint bad">${card.fault}</p>`
      : html`<p class="answer">${card.text}${open && !answer && html`<i class="caret" aria-hidden="true"></i>`}</p>`}
    ${answer && answer.choices.length > 0 && html`<${Bars} label="Probabilities" rows=${answer.choices.map((one) => ({ name: one.text, share: one.probability }))} />`}
    ${answer?.evidence && answer.evidence.frames.length > 0 && html`<${Evidence} frames=${answer.evidence.frames.map(shownOf)} />`}
  </li>`;
}

/**
 * The cameras by how probable one choice is.
 * @param {{cards: import("../round.js").Card[], choices: string[]}} props
 */
function Ranked({ cards, choices }) {
  const [choice, setChoice] = useState(choices[0]);
  const chosen = choices.includes(choice) ? choice : choices[0];
  const rows = cards.flatMap((card) => {
    const found = card.answer?.choices.find((one) => one.text === chosen);
    return found ? [{ name: nameOfId(card.id), share: found.probability, link: to("camera", card.id) }] : [];
  });
  return html`<article class="panel ranked">
    <header class="panel-head"><h2>Ranked</h2>
      <${Segments} name="ranked" label="By which choice" value=${chosen} of=${choices.map((one) => [one, one])} onPick=${setChoice} /></header>
    <${Bars} label=${`Cameras by how probable ${chosen} is`} rows=${rows} />
  </article>`;
}
