// The last day of each symbol's price in its row of the overview: asked for once a minute, kept while the page refreshes.
(() => {
  const FRESH_MS = 60000;
  const kept = new Map(); // by address: when it was asked for, and the line

  async function fill(place) {
    const address = place.dataset.spark;
    const found = kept.get(address) || { at: 0, line: "" };
    place.innerHTML = found.line;
    if (Date.now() - found.at < FRESH_MS) return;
    kept.set(address, { at: Date.now(), line: found.line });
    const response = await fetch(address, { credentials: "same-origin" }).catch(() => null);
    if (!response?.ok || response.redirected) return;
    kept.set(address, { at: Date.now(), line: await response.text() });
    for (const each of document.querySelectorAll("[data-spark]")) {
      if (each.dataset.spark === address) each.innerHTML = kept.get(address).line;
    }
  }

  const all = () => document.querySelectorAll("[data-spark]").forEach(fill);
  document.addEventListener("DOMContentLoaded", () => {
    all();
    document.body.addEventListener("htmx:afterSettle", all);
  });
})();
