// The chart of a trader's cycle.
(() => {
  function start() {
    const element = document.getElementById("cycle-chart");
    if (!element) return;
    const { url, symbol, trader } = element.dataset;
    const card = document.getElementById("cycle-card");
    let interval = element.dataset.interval;
    let isLive = false;
    const edge = card.querySelector("[data-edge]");
    const chart = window.hedgehogChart.create(element, { base: element.dataset.base, quote: element.dataset.quote, volume: false, onPlace: outside });
    window.hedgehogCycle = chart;

    function outside(of) {
      const told = of.outside().map(([line, side]) => `${side === "above" ? "\u25b4" : "\u25be"} ${line.text} at ${line.shown} lies ${side} the chart`);
      edge.hidden = !told.length;
      edge.textContent = told.join("; ");
    }

    async function load() {
      const asked = interval;
      let found;
      try {
        const answer = await fetch(`${url}?interval=${asked}`);
        if (answer.redirected) location.reload(); // The login has ended.
        found = await answer.json();
      } catch {
        return; // The next change asks again.
      }
      if (asked !== interval) return;
      const problem = card.querySelector("[data-problem]");
      problem.hidden = !found.problem;
      if (found.problem) problem.textContent = `No candles just now: ${found.problem}. The orders and fills below are complete.`;
      isLive = !found.ended && found.candles.length > 0;
      chart.setVisible(found.visible);
      if (found.candles.length) chart.setMarket(found);
      chart.setOwn(found);
    }

    for (const button of card.querySelectorAll("button[data-interval]")) {
      button.addEventListener("click", () => {
        interval = button.dataset.interval;
        for (const each of card.querySelectorAll("button[data-interval]")) {
          each.classList.toggle("hh-on", each === button);
          each.setAttribute("aria-pressed", each === button);
        }
        load();
      });
    }
    document.addEventListener("hedgehog:bars", ({ detail }) => { if (isLive && detail[symbol]) chart.addBars(detail[symbol]); });
    document.addEventListener("hedgehog:changed", ({ detail }) => { if (detail.includes(trader)) load(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && isLive) load(); });
    load();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
