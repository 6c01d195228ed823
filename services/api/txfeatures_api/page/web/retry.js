// A file of the page that can't be loaded leaves it still. While replicas of two releases serve
// side by side, or one restarts, the page's next load finds them all.
"use strict";
(() => {
  const AGAIN_MS = 2000;
  let isFailed = false;

  addEventListener("error", ({ target }) => {
    if (target.type !== "module" || isFailed) return;
    isFailed = true;
    document.body.dataset.live = "lost";
    document.getElementById("state-words").textContent = "Loading again";
    setTimeout(() => location.reload(), AGAIN_MS);
  }, true);
})();
