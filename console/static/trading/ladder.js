// Draws the ladder that a symbol's settings make, from what the form says while it is filled in.
(() => {
  const SHOWN = 12; // So many slots are drawn; the sums are of all.
  const STEP_BY_STEP = "ladder";

  function follow(figure) {
    const form = figure.closest(".form-group") || figure.closest("form"); // An inline has another, hidden form.
    const field = (name) => form.querySelector(`[name$="-${name}"]`);
    const text = (name) => {
      const input = field(name);
      const isRead = !input?.dataset.strategies || input.dataset.strategies.split(" ").includes(field("strategy").value);
      return input && isRead ? input.value.trim() : "";
    };
    const number = (name) => parseFloat(text(name).replace("%", "")) || 0;
    const { quote, places } = figure.dataset;
    const known = parseFloat(figure.dataset.price);
    const [buyFee, sellFee, exitFee] = ["buyFee", "sellFee", "exitFee"].map((name) => parseFloat(figure.dataset[name]));
    const fixed = (value, digits) =>
      value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
    const price = (value) => (known ? fixed(value, Number(places)) : `${fixed(value, 2)} %`);
    const signed = (value, unit) => `${value > 0 ? "+" : ""}${fixed(value, 2)} ${unit}`;

    function draw() {
      const market = known || 100;
      const count = Math.min(100, Math.max(1, Math.round(number("max_slots"))));
      const step = text("slots") === STEP_BY_STEP ? number("rebuy_interval") / 100 : 0;
      const profit = number("profit_interval") / 100;
      const stops = ["stop_loss_interval", "trailing_stop_interval"].map(number).filter((each) => each > 0);
      const size = text("sizing") === "share" ? 0 : number("budget") / count;
      const buys = Array.from({ length: count }, (_, at) => market * (1 - number("buy_down_interval") / 100) * (1 - step) ** at);
      const target = (buy) => (buy / (1 - buyFee)) * (1 + profit) * (1 + sellFee);
      const back = (buy, sell, fee) => size * (1 - buyFee) * (sell / buy) * (1 - fee) - size;
      const sum = (values) => values.reduce((total, each) => total + each, 0);
      const last = buys[count - 1];
      const money = (value) => (size ? signed(value, quote) : "–");
      const lines = {
        size: size ? `${fixed(size, 2)} ${quote}` : "share of balance",
        fall: signed((last / market - 1) * 100, "%"),
        average: price(count / sum(buys.map((each) => 1 / each))),
        rise: signed((target(buys[0]) / last - 1) * 100, "%"),
        earned: money(sum(buys.map((each) => back(each, target(each), sellFee)))),
        lost: stops.length
          ? money(sum(buys.map((each) => back(each, each * (1 - Math.min(...stops) / 100), exitFee))))
          : "no stop",
      };
      for (const [name, words] of Object.entries(lines)) figure.querySelector(`[data-line=${name}]`).textContent = words;
      const svg = figure.querySelector("svg");
      svg.innerHTML = picture(buys.slice(0, SHOWN), buys.slice(0, SHOWN).map(target), market, price);
      svg.setAttribute("aria-label", `${count} slots buy from ${price(buys[0])} down to ${price(last)}`);
    }

    form.addEventListener("input", draw);
    form.addEventListener("change", draw);
    draw();
  }

  // 386 by 258: each slot's buy as a bar, its target as a thin line above, the market as a dotted line.
  function picture(buys, targets, market, price) {
    const [width, height, left] = [386, 258, 74];
    const [high, low] = [Math.max(market, targets[0]), buys[buys.length - 1]];
    const y = (value) => 14 + ((high - value) / (high - low || 1)) * (height - 46);
    const apart = (width - left) / buys.length;
    const bar = Math.min(44, apart - 4);
    const isNamed = (at) => buys.length <= 5 || at === 0 || at === buys.length - 1;
    const drawn = buys.map((buy, at) => {
      const x = left + apart * at + (apart - bar) / 2;
      const middle = Math.min(Math.max(x + bar / 2, left), width - 34);
      return `<line class="hh-target" x1="${x + bar / 2}" x2="${x + bar / 2}" y1="${y(targets[at])}" y2="${y(buy)}" stroke-dasharray="3 3"/>
        <rect class="hh-target" x="${x}" y="${y(targets[at]) - 1.5}" width="${bar}" height="3" rx="1"/>
        <rect class="hh-buy" x="${x}" y="${y(buy) - 4}" width="${bar}" height="8" rx="2"/>
        ${isNamed(at) ? `<text x="${middle}" y="${y(buy) + 18}" text-anchor="middle">${price(buy)}</text>` : ""}`;
    });
    return `<line class="hh-market" x1="0" x2="${width}" y1="${y(market)}" y2="${y(market)}" stroke-dasharray="2 3"/>
      ${drawn.join("")}<text class="hh-now" x="0" y="${y(market) - 5}">${price(market)}</text>`;
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-ladder]").forEach(follow));
})();
