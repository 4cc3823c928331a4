// The account's value over time: an area that keeps its place while the page around it refreshes.
(() => {
  let chart, series, line, shown = "";

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function make(element) {
    const dim = color("--hh-dim"), grid = color("--hh-softer") || "#f3f4f6";
    chart = LightweightCharts.createChart(element, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: dim, fontFamily: "Inter", fontSize: 12, attributionLogo: true },
      grid: { vertLines: { visible: false }, horzLines: { color: grid } },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.06 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, fixLeftEdge: true, fixRightEdge: true },
      localization: { priceFormatter: (value) => hedgehogNumbers.fixed(value, Math.abs(value) >= 100 ? 2 : 4), timeFormatter: clock },
      handleScroll: false,
      handleScale: false,
    });
    series = chart.addSeries(LightweightCharts.AreaSeries, {
      lineColor: color("--hh-ours"), lineWidth: 2, topColor: "#9333ea26", bottomColor: "#9333ea00", priceLineVisible: false,
    });
  }

  // The chart knows only UTC: its times are shifted to the reader's own.
  const local = (at) => at - new Date(at * 1000).getTimezoneOffset() * 60;
  const clock = (at) => new Date(at * 1000).toLocaleString("en-GB", { timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

  function draw() {
    const element = document.getElementById("curve"), source = document.getElementById("curve-points");
    if (!element || !source || !window.LightweightCharts || source.textContent === shown) return;
    shown = source.textContent;
    const { points, base, title } = JSON.parse(shown);
    element.classList.toggle("hh-curve-empty", points.length < 2);
    if (points.length < 2) return;
    if (!chart) make(element);
    series.setData(points.map(([at, value]) => ({ time: local(at), value })));
    if (line) series.removePriceLine(line);
    line = base === null ? null : series.createPriceLine({ price: base, color: color("--hh-dim"), lineWidth: 1, lineStyle: 1, axisLabelVisible: false, title });
    chart.timeScale().fitContent();
  }

  document.addEventListener("DOMContentLoaded", () => {
    draw();
    document.body.addEventListener("htmx:afterSettle", draw);
  });
})();
