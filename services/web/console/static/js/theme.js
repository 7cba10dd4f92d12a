// Dark or light: as the system says, unless the person chose.

import { signal } from "../vendor/signals.js";

const KEY = "hermes-theme";
const ORDER = ["system", "light", "dark"];

export const theme = signal(document.documentElement.dataset.theme ?? "system");

export function nextTheme() {
  const chosen = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length];
  theme.value = chosen;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // It holds for this page alone.
  }
}
