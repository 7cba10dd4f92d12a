// Pictograms, drawn with the colour of the text around them.

import { html } from "../html.js";

/** @type {Record<string, string>} */
const PATHS = {
  live: "M3 4h8v7H3zM13 4h8v7h-8zM3 13h8v7H3zM13 13h8v7h-8z",
  ask: "M4 5h16v11H9l-5 4z",
  events: "M6 17V11a6 6 0 0 1 12 0v6l2 2H4zM10 21h4",
  watches: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  system: "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01",
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  edit: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  send: "M4 12l16-8-6 16-3-7z",
  stop: "M7 7h10v10H7z",
  pause: "M9 6v12M15 6v12",
  play: "M8 5l11 7-11 7z",
  check: "M5 13l4 4L19 7",
  back: "M15 5l-7 7 7 7",
  system_theme: "M12 3a9 9 0 0 0 0 18zM12 3a9 9 0 0 1 0 18",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  dark: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  lost: "M12 4l10 17H2zM12 10v5M12 18h.01",
  away: "M3 4l18 17M9 5h11v11M16 18H3V7",
  chart: "M4 4v16h16M8 15l3-4 3 2 5-6",
  external: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  memory: "M4 6h16M4 10h11M4 14h14M4 18h7",
};

/** @param {{name: string}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${PATHS[name] ?? ""} />
  </svg>`;
}
