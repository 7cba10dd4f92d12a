// The frame around every view: where to go, how things are, who one is.

import { useEffect, useRef } from "../vendor/preact-hooks.js";
import { waiting } from "./events.js";
import { duration } from "./format.js";
import { html } from "./html.js";
import { link } from "./link.js";
import { Loading } from "./parts/basics.js";
import { Icon } from "./parts/icon.js";
import { route, to } from "./route.js";
import { mayAsk, session, signOut } from "./session.js";
import { nextTheme, theme } from "./theme.js";
import { tick } from "./ticking.js";
import { SignIn } from "./views/sign-in.js";
import { shown, VIEWS } from "./views.js";

const PLACES = ["live", "ask", "watches", "events", "system"];

export function App() {
  const { view, id } = route.value;
  const chosen = VIEWS[view] ?? VIEWS.live;
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const first = useRef(true);
  useEffect(() => {
    document.title = `${id || chosen.title} - HERMES Live`;
    // Who moves by keyboard or hears the page begins at the new view.
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
    window.scrollTo(0, 0);
  }, [view, id]);
  const known = session.value;
  return html`<a class="skip" href="#content" onClick=${(/** @type {Event} */ event) => {
      event.preventDefault();
      main.current?.focus();
    }}>Skip to the content</a>
    <${Header} here=${chosen.within ?? view} />
    <${Lost} />
    <main id="content" tabindex="-1" ref=${main}>
      ${known && !mayAsk()
        ? html`<${SignIn} />`
        : known && html`<${Shown} key=${`${view}/${id}`} view=${VIEWS[view] ? view : "live"} id=${id} />`}
    </main>`;
}

/** A view, once it is there. @param {{view: string, id: string}} props */
function Shown({ view, id }) {
  const show = shown(view);
  return show ? html`<${show} id=${id} />` : html`<div class="view"><${Loading} what="the view" /></div>`;
}

/** @param {{here: string}} props */
function Header({ here }) {
  const may = mayAsk();
  return html`<header class="top">
    <a class="brand" href=${to("live")}><${Mark} /><span>HERMES <b>Live</b></span></a>
    ${may &&
    html`<nav class="places" aria-label="Views">
      ${PLACES.map((place) => {
        const badge = place === "events" ? waiting.value : 0;
        return html`<a key=${place} href=${to(place)} aria-current=${place === here ? "page" : undefined}>
          <${Icon} name=${place} /><span>${VIEWS[place].title}</span>
          ${badge > 0 && html`<b class="badge" aria-label=${`${badge} open`}>${badge > 99 ? "99+" : badge}</b>`}
        </a>`;
      })}
    </nav>`}
    <div class="who">
      ${session.value?.name && html`<span class="name" title=${session.value.name}>${session.value.name}</span>`}
      <button type="button" class="plain square" onClick=${nextTheme}
        aria-label=${`Colours: ${theme.value}. Change them`} title=${`Colours: ${theme.value}`}>
        <${Icon} name=${theme.value === "system" ? "system_theme" : theme.value} />
      </button>
      ${session.value?.signed_in &&
      html`<button type="button" class="plain square" aria-label="Sign out" title="Sign out" onClick=${() => void signOut().catch(() => {})}>
        <${Icon} name="leave" />
      </button>`}
    </div>
  </header>`;
}

function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <rect x="3" y="6" width="6" height="20" rx="2" /><rect x="11" y="6" width="5" height="20" rx="2" opacity=".75" />
    <rect x="18" y="6" width="4" height="20" rx="1.5" opacity=".5" /><rect x="24" y="6" width="3" height="20" rx="1.5" opacity=".3" />
  </svg>`;
}

function Lost() {
  const { state, why, since } = link.value;
  if (state === "ok") return html`<div role="alert"></div>`;
  const what =
    state === "service"
      ? "The console has lost its service."
      : `The console has lost the gateway${why ? `: ${why}` : ""}.`;
  return html`<div class="lost" role="alert">
    <${Icon} name="lost" />
    <p><b>${what}</b> What is shown may be old. It reconnects by itself.</p>
    <span class="lost-since" aria-hidden="true">for ${duration(Math.max(1, Math.round((tick.value - since) / 1000)) + 0.001).replace(".0", "")}</span>
  </div>`;
}
