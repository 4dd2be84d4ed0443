// Runs before the first paint, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem("scenewright.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (_) {
  // Without storage the theme follows the system.
}
