// A chart of candles with what is ours on it, over lightweight-charts: the market is grey, what is ours is in colour.
window.hedgehogChart = (() => {
  const N = window.hedgehogNumbers;
  const AIR = 10; // empty candles right of now, where own lines end
  const NEAR = 20; // candles left of what is looked at, before older ones are asked for
  const CLOSE_PX = 14; // the height of a label

  const isDark = () => document.documentElement.classList.contains("dark");
  const colours = () => isDark()
    ? { ink: "#f3f4f6", muted: "#9ca3af", line: "#1f2937", grid: "#1a2333", ground: "#111827", body: "#6b7280", edge: "#9ca3af", volume: "#243042", ours: "#d8b4fe", gain: "#4ade80", loss: "#fca5a5" }
    : { ink: "#111827", muted: "#5b6472", line: "#e5e7eb", grid: "#f3f4f6", ground: "#ffffff", body: "#9ca3af", edge: "#6b7280", volume: "#e5e7eb", ours: "#9333ea", gain: "#15803d", loss: "#b91c1c" };

  const two = (n) => String(n).padStart(2, "0");
  const local = (s) => new Date(s * 1000);
  const clock = (s, withSeconds) => { const t = local(s); return `${two(t.getHours())}:${two(t.getMinutes())}${withSeconds ? `:${two(t.getSeconds())}` : ""}`; };
  const day = (s) => local(s).toLocaleDateString("en-GB", { day: "numeric", month: "short" });

  // `element`: where it is drawn; `options`: visible (candles at first), volume, logo, onPlace(chart).
  function create(element, options = {}) {
    const { createChart, createSeriesMarkers, CandlestickSeries, HistogramSeries, LineSeries } = window.LightweightCharts;
    let c = colours();
    let candles = [];
    let length = 60;
    let decimals = 2;
    let marks = [];
    let lines = [];
    let drawn = []; // [series, line, label]
    let layers = { fills: true, orders: true, triggers: true };
    let byTime = new Map(); // marks of a candle

    const chart = createChart(element, {
      autoSize: true,
      layout: { fontFamily: "Inter, sans-serif", fontSize: 12, attributionLogo: options.logo !== false },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.06, bottom: options.volume === false ? 0.06 : 0.16 } },
      timeScale: {
        timeVisible: true, rightOffset: 0, lockVisibleTimeRangeOnResize: true,
        tickMarkFormatter: (s, kind) => (kind < 3 ? (kind === 0 ? String(local(s).getFullYear()) : day(s)) : clock(s, length < 60)),
      },
      localization: { priceFormatter: (x) => N.fixed(x, decimals), timeFormatter: (s) => `${day(s)} ${clock(s, length < 60)}` },
      crosshair: { mode: 0 },
    });
    const market = chart.addSeries(CandlestickSeries, { priceLineStyle: 1, autoscaleInfoProvider: scaled });
    const volume = options.volume === false ? null : chart.addSeries(HistogramSeries, {
      priceScaleId: "volume", priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "volume" },
    });
    if (volume) chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.9, bottom: 0 } });
    const pins = createSeriesMarkers(market, [], { autoScale: false });
    const tip = document.createElement("div");
    tip.className = "hh-tip";
    tip.hidden = true;
    element.append(tip);

    function paint() {
      c = colours();
      chart.applyOptions({
        layout: { background: { color: c.ground }, textColor: c.muted, panes: { separatorColor: c.line } },
        grid: { vertLines: { visible: false }, horzLines: { color: c.grid } },
        timeScale: { borderColor: c.line },
        crosshair: { vertLine: { color: c.muted, labelBackgroundColor: c.ink }, horzLine: { color: c.muted, labelBackgroundColor: c.ink } },
      });
      market.applyOptions({ upColor: c.ground, borderUpColor: c.edge, wickUpColor: c.edge, downColor: c.body, borderDownColor: c.edge, wickDownColor: c.edge, priceLineColor: c.ink });
      if (volume) volume.applyOptions({ color: c.volume });
    }

    // Own prices and the nearest trigger come into the axis while the candles keep a third of its height.
    function wanted(range) {
      const height = range.maxValue - range.minValue || range.maxValue * 0.001;
      const now = lines.filter((line) => isShown(line) && !isPast(line));
      const shown = now.filter((line) => !line.stop);
      const mid = (range.maxValue + range.minValue) / 2;
      const triggers = shown.filter((line) => line.kind === "trigger").sort((a, b) => Math.abs(a.price - mid) - Math.abs(b.price - mid));
      const own = [...shown.filter((line) => line.kind !== "trigger"), ...triggers.slice(0, 1), ...now.filter((line) => line.stop), ...triggers.slice(1)];
      let { minValue, maxValue } = range;
      for (const line of own) {
        const low = Math.min(minValue, ...line.steps.map((step) => step[1]), line.price);
        const high = Math.max(maxValue, ...line.steps.map((step) => step[1]), line.price);
        if (high - low <= 3 * height) [minValue, maxValue] = [low, high];
      }
      return { minValue, maxValue };
    }

    function scaled(original) {
      const found = original();
      if (found && found.priceRange) found.priceRange = wanted(found.priceRange);
      return found;
    }

    // A trigger that is gone: drawn where it was, and not told.
    const isPast = (line) => line.kind === "trigger" && line.until;
    const isShown = (line) => (line.kind === "trigger" ? layers.triggers : layers.orders);
    const begin = (s) => Math.floor(s / length) * length;
    const future = () => {
      const last = candles.length ? candles.at(-1)[0] : begin(Date.now() / 1000);
      return Array.from({ length: AIR }, (_, n) => last + (n + 1) * length);
    };

    // The chart takes a range at its next frame, and says the old one until then.
    let wantedRange = null;
    const looked = () => wantedRange || chart.timeScale().getVisibleLogicalRange();
    function look(range) {
      wantedRange = range;
      chart.timeScale().setVisibleLogicalRange(range);
      requestAnimationFrame(() => requestAnimationFrame(() => { if (wantedRange === range) wantedRange = null; }));
    }

    function setMarket(found) {
      const isNew = found.length !== length || !candles.length;
      // Older ones that a reader has scrolled to stay.
      const older = isNew || found.candles[0][0] > candles.at(-1)[0] ? [] : candles.filter((each) => each[0] < found.candles[0][0]);
      ({ length, decimals } = found);
      candles = [...older, ...found.candles];
      const unit = 10 ** -decimals;
      market.applyOptions({ priceFormat: { type: "custom", minMove: unit, formatter: (x) => N.fixed(x, decimals) } });
      chart.applyOptions({ timeScale: { secondsVisible: length < 60, timeVisible: length < 86_400 } });
      drawMarket();
      drawOwn();
      if (isNew) reset();
    }

    function drawMarket() {
      market.setData([...candles.map(([time, open, high, low, close]) => ({ time, open, high, low, close })), ...future().map((time) => ({ time }))]);
      if (volume) volume.setData(candles.map((each) => ({ time: each[0], value: each[5] })));
    }

    const setVisible = (count) => { options.visible = count; };

    function reset() {
      const visible = options.visible || (innerWidth < 1024 ? 64 : 120);
      const count = candles.length;
      look({ from: Math.max(-0.5, count - visible), to: count + AIR - 0.5 });
    }

    // Trades by the second, for the candle that is being made. Returns whether a new one has begun.
    function addBars(bars) {
      if (!candles.length) return false;
      let begun = false;
      for (const [second, open, high, low, close, quantity] of bars) {
        const time = begin(second);
        const last = candles.at(-1);
        if (time < last[0]) continue;
        if (time === last[0]) {
          candles[candles.length - 1] = [time, last[1], Math.max(last[2], high), Math.min(last[3], low), close, last[5] + quantity];
        } else {
          candles.push([time, open, high, low, close, quantity]);
          begun = true;
        }
      }
      if (begun) {
        // The empty candles on the right move on; what is looked at stays where it is, or follows.
        const range = looked();
        drawMarket();
        drawOwn();
        if (range && range.to >= candles.length + AIR - 3) look({ from: range.from + 1, to: range.to + 1 });
      } else {
        const [time, open, high, low, close, quantity] = candles.at(-1);
        // Not the newest point of the series, which is an empty one.
        market.update({ time, open, high, low, close }, true);
        if (volume) volume.update({ time, value: quantity });
        place();
      }
      return begun;
    }

    // Those before the first one; what is looked at stays where it is. Returns whether there were any.
    function addOlder(found) {
      if (found.length !== length || !candles.length) return false;
      const older = found.candles.filter((each) => each[0] < candles[0][0]);
      if (!older.length) return false;
      const range = looked();
      candles = [...older, ...candles];
      drawMarket();
      drawOwn();
      if (range) look({ from: range.from + older.length, to: range.to + older.length });
      return true;
    }

    // What the market says of the last candles: more exact than what the stream had us add up.
    function correct(found) {
      if (found.length !== length || !found.candles.length || !candles.length) return;
      const first = found.candles[0][0];
      const newest = candles.at(-1);
      const kept = candles.filter((each) => each[0] < first);
      const merged = [...kept, ...found.candles];
      if (newest[0] > merged.at(-1)[0]) merged.push(newest);
      candles = merged;
      drawMarket();
      place();
    }

    function setOwn(found) {
      marks = found.marks || marks;
      lines = found.lines || lines;
      drawOwn();
    }

    function setLayers(chosen) {
      layers = { ...layers, ...chosen };
      drawOwn();
    }

    function drawOwn() {
      byTime = new Map();
      const first = candles.length ? candles[0][0] : Infinity;
      const shown = layers.fills ? marks.filter((mark) => mark[0] >= first) : [];
      for (const mark of shown) byTime.set(mark[0], [...(byTime.get(mark[0]) || []), mark]);
      pins.setMarkers(shown.map(([time, side, count, , , realised]) => ({
        time, size: 1.2,
        position: side === "B" ? "belowBar" : "aboveBar",
        shape: side === "B" ? "arrowUp" : "arrowDown",
        color: side === "B" ? c.ours : realised < 0 ? c.loss : c.gain,
        text: count > 1 ? String(count) : "",
      })));
      // Lines end in the empty candles, and the chart would move with each that comes and goes.
      const range = looked();
      for (const [series, , label] of drawn) { chart.removeSeries(series); label.remove(); }
      drawn = lines.filter(isShown).map((line) => {
        const colour = { ours: c.ours, gain: c.gain, loss: c.loss }[line.tone];
        const series = chart.addSeries(LineSeries, {
          color: colour, lineType: 1, lineWidth: line.kind === "entry" ? 1 : 2, lineStyle: line.kind === "trigger" ? 2 : 0,
          priceLineVisible: false, lastValueVisible: line.kind !== "entry" && !line.until, crosshairMarkerVisible: false,
          autoscaleInfoProvider: () => null,
        });
        series.setData(points(line));
        const label = document.createElement("div");
        label.className = "hh-label-line";
        label.style.color = colour;
        label.textContent = isPast(line) ? "" : innerWidth < 1024 ? line.short : line.text;
        element.append(label);
        return [series, line, label];
      });
      if (range) look(range);
      place();
    }

    // From the time of the order to the right edge, stepped where it was moved.
    function points(line) {
      if (!candles.length) return [];
      const [first, last] = [candles[0][0], future().at(-1)];
      const found = new Map();
      for (const [at, price] of line.steps) found.set(Math.min(Math.max(begin(at), first), candles.at(-1)[0]), price);
      const steps = [...found].map(([time, value]) => ({ time, value }));
      // One that ended within its own candle is drawn over the next one.
      const end = line.until ? Math.min(last, Math.max(begin(line.until), steps.at(-1).time + length)) : last;
      return [...steps, { time: end, value: steps.at(-1).value }];
    }

    let isPlacing = false;
    function place() {
      if (isPlacing) return;
      isPlacing = true;
      requestAnimationFrame(() => {
        isPlacing = false;
        const width = chart.priceScale("right").width();
        const height = element.clientHeight - chart.timeScale().height();
        const found = drawn.map(([, line, label]) => [label, market.priceToCoordinate(line.price)]).sort((a, b) => a[1] - b[1]);
        let above = -Infinity;
        for (const [label, y] of found) {
          label.hidden = !label.textContent || y === null || y < 0 || y > height;
          if (label.hidden) continue;
          // Over its line; where another one stands there, below that one.
          above = Math.max(y - 2, above + CLOSE_PX);
          label.style.top = `${above}px`;
          label.style.right = `${width + 8}px`;
        }
        if (options.onPlace) options.onPlace(api, height);
      });
    }

    // What lies outside the axis, as [line, "above" or "below"].
    function outside() {
      const height = element.clientHeight - chart.timeScale().height();
      return lines.filter((line) => isShown(line) && !isPast(line)).map((line) => [line, market.priceToCoordinate(line.price)])
        .filter(([, y]) => y !== null && (y < 0 || y > height)).map(([line, y]) => [line, y < 0 ? "above" : "below"]);
    }

    function hover(param) {
      const found = param.time === undefined ? null : byTime.get(param.time);
      tip.hidden = !found;
      if (!found || !param.point) return;
      tip.replaceChildren(...found.flatMap(([, side, count, quantity, average, realised, from, to]) => {
        const bold = document.createElement("b");
        bold.textContent = `${count} ${side === "B" ? "buy" : "sell"}${count > 1 ? "s" : ""}`;
        const span = from === to ? clock(from, true) : `${clock(from, true)} to ${clock(to, true)}`;
        const size = `${Number(quantity.toPrecision(8))} ${options.base || ""}, average ${N.fixed(average, decimals)}`;
        const rows = [bold, ` ${span}`, document.createElement("br"), size];
        if (realised !== null) {
          const gain = document.createElement("span");
          gain.className = realised < 0 ? "hh-tip-loss" : "hh-tip-gain";
          gain.textContent = `${N.signed(realised, options.quote)} ${options.quote}`;
          rows.push(document.createElement("br"), gain, " realised");
        }
        return [...rows, document.createElement("br")];
      }));
      tip.lastChild.remove();
      const right = element.clientWidth - chart.priceScale("right").width();
      const left = param.point.x + 16 + tip.offsetWidth > right ? param.point.x - 16 - tip.offsetWidth : param.point.x + 16;
      tip.style.left = `${Math.max(4, left)}px`;
      tip.style.top = `${Math.max(4, param.point.y - tip.offsetHeight - 8)}px`;
    }

    const api = {
      setMarket, setVisible, addBars, addOlder, correct, setOwn, setLayers, outside, reset, chart,
      y: (price) => market.priceToCoordinate(price),
      get candles() { return candles; },
      get marks() { return marks; },
      get lines() { return lines; },
      get drawn() { return drawn.map(([, line]) => line); },
      get length() { return length; },
      get decimals() { return decimals; },
    };
    paint();
    chart.subscribeCrosshairMove(hover);
    chart.subscribeClick(hover);
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      place();
      if (range && range.from < NEAR && options.onStart) options.onStart();
    });
    new ResizeObserver(place).observe(element);
    new MutationObserver(() => { paint(); drawOwn(); }).observe(document.documentElement, { attributeFilter: ["class"] });
    return api;
  }

  return { create };
})();
