// The console begins here.

import { render } from "../vendor/preact.js";
import { App } from "./app.js";
import { followCameras } from "./cameras.js";
import { followEvents } from "./events.js";
import { html } from "./html.js";
import { look } from "./link.js";
import { readSession } from "./session.js";
import { regained } from "./link.js";
import { session } from "./session.js";
import { effect } from "../vendor/signals.js";

const place = document.getElementById("app");
if (place) render(html`<${App} />`, place);

void look();
effect(() => {
  regained.value;
  if (session.peek() === null) void readSession().catch(() => {});
});
followCameras();
followEvents();
