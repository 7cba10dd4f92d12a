// The console begins here.

import { render } from "../vendor/preact.js";
import { App } from "./app.js";
import { followCameras } from "./cameras.js";
import { followEvents } from "./events.js";
import { html } from "./html.js";
import { look, regained } from "./link.js";
import { readSession, session } from "./session.js";
import { loadAll } from "./views.js";
import { effect } from "../vendor/signals.js";

const LATER_MS = 1500;

const place = document.getElementById("app");
if (place) render(html`<${App} />`, place);

void look();
effect(() => {
  regained.value;
  if (session.peek() === null) void readSession().catch(() => {});
});
followCameras();
followEvents();
window.addEventListener("load", () => setTimeout(() => void loadAll(), LATER_MS));
