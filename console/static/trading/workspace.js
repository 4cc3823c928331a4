// The chart tab of a symbol: candles, what is ours, the ladder, the slots, the order book.
(() => {
  const N = window.hedgehogNumbers;
  const BOOK_MS = 3_000;
  const CORRECT_MS = 2_500; // after a candle has closed, the market's own figures of it are there
  const RETRY_MS = 10_000;
  const MAX_CANDLES = 5_000; // candles that a page keeps

  function start() {
    const element = document.getElementById("market-chart");
    if (!element) return;
    const { url, candlesUrl, symbol } = element.dataset;
    let interval = element.dataset.interval;
    let ladderPrices = [];
    let hasCandles = false;
    let price = null;
    const at = (selector) => document.querySelector(selector);
    const chart = window.hedgehogChart.create(element, { base: element.dataset.base, quote: element.dataset.quote, onPlace: placed, onStart: loadOlder });
    window.hedgehogWorkspace = chart;

    const ask = async (address, params) => {
      const answer = await fetch(`${address}?${new URLSearchParams(params)}`);
      if (answer.redirected) location.reload(); // The login has ended.
      if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
      return answer;
    };

    // --- the market -------------------------------------------------------------------------------------
    async function loadCandles() {
      const asked = interval;
      let found;
      try {
        found = await (await ask(candlesUrl, { interval })).json();
      } catch {
        found = { candles: [], problem: "This page's server does not answer." };
      }
      if (asked !== interval) return;
      const problem = at("[data-problem]");
      problem.hidden = !found.problem;
      if (found.problem) {
        problem.replaceChildren(Object.assign(document.createElement("b"), { textContent: "No candles just now: " }), `${found.problem}. Own fills and orders are complete.`);
        setTimeout(() => { if (asked === interval && !document.hidden) loadCandles(); }, RETRY_MS);
      }
      hasCandles = found.candles.length > 0;
      // Own lines and fills stand without the market, over empty candles.
      if (!hasCandles && found.length) found.candles = await blank(found);
      if (found.candles.length) chart.setMarket(found);
      await loadOwn();
    }

    // A reader has scrolled to the first candle: those before it, and what was ours then.
    let isAtStart = false; // nothing is older, or it is being asked for
    async function loadOlder() {
      if (isAtStart || !hasCandles || chart.candles.length >= MAX_CANDLES) return;
      isAtStart = true;
      const asked = interval;
      try {
        const found = await (await ask(candlesUrl, { interval, before: chart.candles[0][0] })).json();
        if (asked !== interval) return;
        isAtStart = !found.problem && !chart.addOlder(found);
        if (!isAtStart && !found.problem) await loadOwn();
      } catch {
        isAtStart = false; // The next move asks again.
      }
    }

    async function blank(found) {
      const own = await (await ask(url, { interval })).json();
      const prices = [...own.marks.map((mark) => mark[4]), ...own.lines.map((line) => line.price)];
      if (!prices.length) return [];
      const now = Math.floor(Date.now() / 1000 / found.length) * found.length;
      const middle = prices.reduce((sum, each) => sum + each, 0) / prices.length;
      const paid = new Map(own.marks.map((mark) => [mark[0], mark[4]]));
      return Array.from({ length: 120 }, (_, n) => now - (119 - n) * found.length)
        .map((time) => { const p = paid.get(time) || middle; return [time, p, p, p, p, 0]; });
    }

    async function correct() {
      try {
        const found = await (await ask(candlesUrl, { interval })).json();
        if (found.interval === interval && found.candles.length) chart.correct(found);
      } catch {
        // The stream goes on adding up.
      }
    }

    // --- what is ours ---------------------------------------------------------------------------------------
    let isLoading = false;
    let isAskedAgain = false;
    async function loadOwn() {
      if (isLoading) { isAskedAgain = true; return; }
      isLoading = true;
      try {
        const since = chart.candles.length ? chart.candles[0][0] : "";
        const found = await (await ask(url, { interval, ...(since && { since }) })).json();
        chart.setOwn(found);
        ladderPrices = found.ladder;
        element.setAttribute("aria-label", found.summary);
        const slots = at("[data-slots]");
        // Never under a finger.
        if (slots && !slots.matches(":hover") && !slots.contains(document.activeElement)) {
          slots.innerHTML = found.slots;
          window.hedgehogLive.refill(slots);
        }
        for (const [name, count] of Object.entries(found.counts)) {
          const badge = at(`[data-count="${name}"]`);
          if (badge) badge.textContent = count || "";
        }
        for (const [name, value] of Object.entries(found.values)) {
          for (const each of document.querySelectorAll(`[data-live="${name}"]`)) if (!each.textContent) each.textContent = value[0];
        }
        away();
      } catch {
        // The next change, or the next look, asks again.
      } finally {
        isLoading = false;
        if (isAskedAgain) { isAskedAgain = false; loadOwn(); }
      }
    }

    // How far each slot's next price is from the market.
    function away() {
      price = chart.candles.length && hasCandles ? chart.candles.at(-1)[4] : price;
      if (!price) return;
      for (const each of document.querySelectorAll("[data-away]")) each.textContent = `${N.percent(each.dataset.away / price - 1)} away`;
    }

    // --- the ladder: the slots on the scale of the chart ------------------------------------------------------
    function placed(of, height) {
      const lanes = at("[data-lanes]");
      if (lanes && lanes.offsetParent) ladder(of, lanes, height);
      const edge = at("[data-edge]");
      const told = ["above", "below"].map((side) => [side, of.outside().filter((each) => each[1] === side).map(([line]) => {
        const far = price ? ` (${N.percent(line.price / price - 1, 1)})` : "";
        return `${line.text} at ${line.shown}${far}`;
      })]).filter(([, those]) => those.length);
      edge.hidden = !told.length;
      edge.textContent = told.map(([side, those]) => `${side === "above" ? "▴" : "▾"} ${side} the chart: ${those.join(", ")}`).join("; ");
    }

    function ladder(of, lanes, height) {
      const shown = ladderPrices.slice(0, 8);
      const heads = at("[data-lane-heads]");
      heads.style.setProperty("--lanes", shown.length || 1);
      lanes.style.setProperty("--lanes", shown.length || 1);
      heads.replaceChildren(...shown.map((slot) => {
        const head = document.createElement("div");
        head.append(Object.assign(document.createElement("b"), { textContent: shown.length > 5 ? slot.slot : `Slot ${slot.slot}` }), slot.state);
        return head;
      }));
      const found = [];
      const add = (name, n, y, text, tall) => {
        const each = document.createElement("div");
        each.className = name;
        each.style.left = `${((n + 0.5) / shown.length) * 100}%`;
        each.style.top = `${y}px`;
        if (tall) each.style.height = `${tall}px`;
        if (text) each.textContent = text;
        found.push(each);
      };
      const inside = (p) => { const y = p === undefined ? null : of.y(p); return y !== null && y >= 0 && y <= height ? y : null; };
      const text = (p) => N.fixed(p, of.decimals);
      const now = price ? inside(price) : null;
      if (now !== null) { const line = document.createElement("div"); line.className = "hh-now"; line.style.top = `${now}px`; found.push(line); }
      shown.forEach((slot, n) => {
        const [entry, target, buy, wait] = [inside(slot.entry), inside(slot.target), inside(slot.buy), inside(slot.wait)];
        if (target !== null && slot.entry !== undefined) {
          if (entry !== null && entry > target) add("hh-stem", n, target, "", entry - target);
          add("hh-scale-bar hh-scale-bar-target", n, target);
          add("hh-scale-price", n, target - 17, text(slot.target));
        }
        for (const [y, name, p] of [[entry, "held", slot.entry], [buy, "buy", slot.buy], [wait, "wait", slot.wait]]) {
          if (y === null) continue;
          add(`hh-scale-bar hh-scale-bar-${name}`, n, y);
          add("hh-scale-price hh-strong", n, y + 7, text(p));
        }
        if (slot.stop !== undefined) add("hh-scale-price hh-bad", n, inside(slot.stop) ?? height - 20, `stop ${text(slot.stop)}`);
      });
      lanes.replaceChildren(...found);
    }

    // --- the order book ---------------------------------------------------------------------------------------
    async function loadBook() {
      const book = at("[data-book]");
      if (!book || document.hidden) return;
      try {
        book.innerHTML = await (await ask(book.dataset.book, {})).text();
        window.hedgehogTimes(book);
      } catch {
        // It stays as it was; the page's bar says when nothing comes any more.
      }
    }

    // --- events -------------------------------------------------------------------------------------------------
    for (const button of document.querySelectorAll("[data-interval]:is(button)")) {
      button.addEventListener("click", () => {
        interval = button.dataset.interval;
        isAtStart = false;
        for (const each of document.querySelectorAll("[data-interval]:is(button)")) {
          const isOn = each === button;
          each.classList.toggle("hh-on", isOn);
          each.setAttribute("aria-pressed", isOn);
        }
        loadCandles();
      });
    }
    for (const box of document.querySelectorAll("[data-layer]")) {
      box.addEventListener("change", () => chart.setLayers({ [box.dataset.layer]: box.checked }));
    }
    document.addEventListener("hedgehog:bars", ({ detail }) => {
      if (!detail[symbol] || !hasCandles) return;
      const begun = chart.addBars(detail[symbol]);
      away();
      if (begun && chart.length >= 60) setTimeout(correct, CORRECT_MS);
    });
    document.addEventListener("hedgehog:changed", ({ detail }) => { if (detail.includes(`sym.${symbol}`)) loadOwn(); });
    document.addEventListener("hedgehog:polled", correct);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { loadCandles(); loadBook(); } });
    loadCandles();
    loadBook();
    setInterval(loadBook, BOOK_MS);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
