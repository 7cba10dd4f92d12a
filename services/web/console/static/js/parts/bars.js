// Probabilities as bars, the largest first.

import { percent } from "../format.js";
import { html } from "../html.js";

/**
 * @param {{rows: {name: string, share: number, link?: string}[], label: string, ranked?: boolean}} props
 */
export function Bars({ rows, label, ranked = true }) {
  const shown = ranked ? [...rows].sort((a, b) => b.share - a.share) : rows;
  return html`<ol class="bars" aria-label=${label}>
    ${shown.map(
      ({ name, share, link }, place) =>
        html`<li key=${name} class=${place === 0 && ranked ? "first" : ""}>
          <span class="bar-name">${link ? html`<a href=${link}>${name}</a>` : name}</span>
          <span class="bar" aria-hidden="true"><i style=${{ width: `${share * 100}%` }}></i></span>
          <span class="bar-figure">${percent(share)}</span>
        </li>`,
    )}
  </ol>`;
}
