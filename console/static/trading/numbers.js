// Numbers as console/numbers.py writes them: what a page refreshes looks like what the server sent. See its rules there.
window.hedgehogNumbers = (() => {
  const MINUS = "\u2212";
  const LIKE_DOLLARS = new Set(["USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USD", "EUR", "AEUR", "EURI", "USD1", "USDS"]);

  // Numbers stay text where they can: a float has 15 digits, an amount up to 19.
  const fixed = (value, decimals) => {
    const text = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: decimals, maximumFractionDigits: decimals, roundingMode: "halfEven",
    }).format(value);
    return /[1-9]/.test(text) ? text.replace("-", MINUS) : text.replace("-", "");
  };

  function places(value, asset) {
    const size = Math.abs(Number(value));
    if (LIKE_DOLLARS.has(asset) || !size) return 2;
    return Math.min(8, Math.max(2, 3 - Math.floor(Math.log10(size) + 1e-12)));
  }

  const money = (value, asset) => fixed(value, places(value, asset));

  function signed(value, asset) {
    const number = Number(value);
    if (!number) return money(value, asset);
    const decimals = places(value, asset);
    const sign = number > 0 ? "+" : MINUS;
    if (Math.abs(number) < 0.5 * 10 ** -decimals) return `${sign}<${(10 ** -decimals).toFixed(decimals)}`;
    return sign + fixed(String(value).replace("-", ""), decimals);
  }

  function percent(fraction, decimals = 2) {
    const text = fixed(Math.abs(Number(fraction)) * 100, decimals);
    const sign = /[1-9]/.test(text) ? (Number(fraction) > 0 ? "+" : MINUS) : "";
    return `${sign}${text} %`;
  }

  function duration(seconds) {
    const left = Math.max(0, Math.round(seconds));
    if (left < 60) return `${left} s`;
    for (const [size, unit, smaller, lesser] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
      if (left < size) continue;
      const rest = Math.floor((left % size) / smaller);
      return `${Math.floor(left / size)} ${unit}${rest ? ` ${rest} ${lesser}` : ""}`;
    }
  }

  const toneOf = (value) => (Number(value) > 0 ? "hh-good" : Number(value) < 0 ? "hh-bad" : "hh-dim");

  return { fixed, money, signed, percent, duration, toneOf };
})();
