// Keeps a page's figures fresh: by server-sent events (console/live), and where these do not come, by asking.
// What carries data-live="sym.ETHUSDT.price" gets the text of that name; pages name their topics by data-live-topics.
(() => {
  const QUIET_MS = 5_000; // a beat comes every two seconds
  const POLL_MS = 5_000;
  const RETRY_MS = 15_000;
  const TONES = { 1: "hh-good", 0: "hh-dim", "-1": "hh-bad" };

  let source = null;
  let newsAt = Date.now(); // when anything came last
  let polledAt = 0;
  let triedAt = 0;
  let isPolling = false;
  let problems = {};
  const known = new Map(); // the newest text of each name, for what is shown later

  const topics = () => [...new Set([...document.querySelectorAll("[data-live-topics]")].flatMap((e) => e.dataset.liveTopics.split(",")))];
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`hedgehog:${name}`, { detail }));

  function put(element, [text, sign]) {
    if (element.textContent !== text) element.textContent = text;
    for (const [of, tone] of Object.entries(TONES)) element.classList.toggle(tone, String(sign) === of);
  }

  function apply(values) {
    for (const [name, value] of Object.entries(values || {})) known.set(name, value);
    for (const element of document.querySelectorAll("[data-live]")) {
      const value = (values || {})[element.dataset.live];
      if (value) put(element, value);
    }
    tell("values", values || {});
  }

  // For parts of a page that were replaced.
  function refill(root) {
    for (const element of root.querySelectorAll("[data-live]")) {
      const value = known.get(element.dataset.live);
      if (value) put(element, value);
    }
  }

  function news() {
    newsAt = Date.now();
    show();
  }

  // --- what the page says of itself -----------------------------------------------------------------
  function bar() {
    let found = document.getElementById("live-silence");
    if (!found) {
      found = document.createElement("div");
      found.id = "live-silence";
      found.className = "hh-silence";
      found.hidden = true;
      found.innerHTML = '<span class="material-symbols-outlined" aria-hidden="true">cloud_off</span><p><b></b> <span></span></p><button type="button" class="hh-button hh-small">Try now</button>';
      found.querySelector("button").addEventListener("click", () => { triedAt = 0; connect(); poll(); });
      const first = document.querySelector("[data-live-topics]");
      first.before(found);
    }
    return found;
  }

  function show() {
    const isSilent = Date.now() - newsAt > (isPolling ? 2 * POLL_MS + 2_000 : QUIET_MS);
    const said = Object.values(problems);
    const found = bar();
    const [title, rest] = [found.querySelector("b"), found.querySelector("p span")];
    if (isSilent) {
      title.textContent = `This page has had no news since ${new Date(newsAt).toLocaleTimeString("en-GB")}.`;
      rest.textContent = "Trading goes on without it. It asks again every 5 s; figures from then are grey.";
    } else if (said.length) {
      title.textContent = said.join(" ");
      rest.textContent = "This page goes on by itself.";
    }
    found.hidden = !(isSilent || said.length);
    found.querySelector("button").hidden = !isSilent;
    document.documentElement.classList.toggle("hh-is-silent", isSilent || "redis" in problems);
  }

  // --- streams ----------------------------------------------------------------------------------------
  function connect() {
    close();
    triedAt = Date.now();
    const named = topics();
    if (!named.length) return;
    if (document.querySelector("[data-live-polls]")) return poll(); // This server has no streams: console/asgi.py has.
    source = new EventSource(`/admin/live/?topics=${encodeURIComponent(named.join(","))}`);
    const heard = (handle) => (event) => {
      isPolling = false;
      news();
      handle(JSON.parse(event.data));
    };
    source.onmessage = heard(frame);
    source.addEventListener("state", heard((found) => {
      apply(found.values);
      tell("changed", found.changed);
    }));
    source.addEventListener("beat", heard((found) => {
      problems = found.problems;
      show();
    }));
    source.addEventListener("end", () => location.reload());
    // Closed for good: no such address, no permission, too many pages. Else the browser tries again by itself.
    source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) poll(); };
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  function frame(found) {
    apply(found.values);
    if (Object.keys(found.bars).length) tell("bars", found.bars);
    if (found.changed.length) tell("changed", found.changed);
  }

  // --- asking -------------------------------------------------------------------------------------------
  async function poll() {
    const named = topics();
    if (!named.length || Date.now() - polledAt < POLL_MS - 500) return;
    polledAt = Date.now();
    isPolling = true;
    try {
      const answer = await fetch(`/admin/live/state/?topics=${encodeURIComponent(named.join(","))}`);
      if (answer.redirected || answer.status === 403) return location.reload(); // The login has ended.
      if (!answer.ok) return;
      const found = await answer.json();
      problems = found.problems;
      news();
      apply(found.values);
      tell("changed", named);
      tell("polled", named);
    } catch {
      // Neither streams nor answers: the bar says so, and it is tried again.
    }
  }

  function look() {
    if (document.hidden) return;
    show();
    const now = Date.now();
    const isLost = !source || source.readyState === EventSource.CLOSED;
    if (isLost && now - triedAt > RETRY_MS) connect();
    if (now - newsAt > QUIET_MS || (isLost && isPolling)) poll();
  }

  function start() {
    if (!topics().length) return;
    connect();
    setInterval(look, 1_000);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return close();
      newsAt = Date.now();
      connect(); // With the whole state first.
    });
    addEventListener("pagehide", close);
  }

  window.hedgehogLive = { refill, cut: close };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
