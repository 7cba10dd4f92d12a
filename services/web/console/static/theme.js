// Before anything is drawn: the colours that this browser was told to keep.
try {
  const theme = localStorage.getItem("hermes-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing takes the system's.
}
