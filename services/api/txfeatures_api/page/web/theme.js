// Loaded before the first paint, so that a chosen theme does not flash.
"use strict";
(() => {
  const KEY = "txfeatures-theme";
  const NEXT = { auto: "light", light: "dark", dark: "auto" };

  function stored() {
    try {
      const theme = localStorage.getItem(KEY);
      return theme in NEXT ? theme : "auto";
    } catch {
      return "auto"; // storage is refused: the choice lasts as long as the page
    }
  }

  let theme = stored();
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
  };
  apply();

  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = NEXT[theme];
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // as above
      }
      apply();
    });
  });
})();
