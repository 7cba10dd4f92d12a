// A dialog above the page. Escape and the cross close it; the browser keeps the focus inside.

import { useEffect, useRef } from "../../vendor/preact-hooks.js";
import { html } from "../html.js";
import { Icon } from "./icon.js";

/** @param {{title: string, wide?: boolean, onClose: () => void, children?: any}} props */
export function Dialog({ title, wide = false, onClose, children }) {
  const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const before = document.activeElement;
    place.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return html`<dialog
    ref=${place}
    class=${wide ? "dialog wide" : "dialog"}
    aria-label=${title}
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      onClose();
    }}
    onClick=${(/** @type {MouseEvent} */ event) => event.target === place.current && onClose()}
  >
    <div class="dialog-body">
      <header class="dialog-head">
        <h2>${title}</h2>
        <button type="button" class="plain square" aria-label="Close" onClick=${onClose}>
          <${Icon} name="close" />
        </button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * A question before something that cannot be undone.
 * @param {{title: string, verb: string, busy?: boolean, fault?: any, onYes: () => void, onClose: () => void, children?: any}} props
 */
export function Confirm({ title, verb, busy = false, fault = null, onYes, onClose, children }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <div class="dialog-text">${children}</div>
    ${fault}
    <footer class="dialog-foot">
      <button type="button" onClick=${onClose}>Cancel</button>
      <button type="button" class="danger" disabled=${busy} onClick=${onYes}>${verb}</button>
    </footer>
  </${Dialog}>`;
}
