// Lists that refresh themselves each 5 s: never under a pointer, the focus, a chosen row or selected text.
document.addEventListener("DOMContentLoaded", () => {
  const EVERY_MS = 5000;
  const place = document.querySelector("#list-rows[data-refreshes]");
  // Another page of a long list is the past: its rows do not change.
  if (!place || /[?&](before|after|p)=/.test(location.search)) return;

  const rowsOf = (root) => [...root.querySelectorAll("#result_list > tbody")];
  // By the link to its own page: one to its trader's is on many rows.
  const keyOf = (row) => row.querySelector(`a[href^="${location.pathname}"]`)?.getAttribute("href").split("?")[0];
  const say = (text) => {
    const fresh = document.getElementById("list-fresh");
    if (fresh) fresh.textContent = text;
  };
  const clock = () => new Date().toTimeString().slice(0, 8);
  const isInside = () => place.matches(":hover") || place.contains(document.activeElement);
  let refreshed = clock();

  function rests() {
    if (document.visibilityState !== "visible") return "while the page is hidden";
    if (place.querySelector("input.action-select:checked")) return "while rows are chosen";
    if (String(getSelection()) !== "") return "while text is selected";
    const isOpen = document.querySelector("dialog[open], details[open] input");
    const filters = document.getElementById("changelist-filter");
    return isOpen || (filters && filters.contains(document.activeElement)) ? "while you type" : "";
  }

  // A row that stays keeps its place, its checkbox, and the cell that has the focus.
  function update(row, fresh) {
    const cells = row.querySelectorAll(":scope > tr.data-row > :is(td, th)");
    const newer = fresh.querySelectorAll(":scope > tr.data-row > :is(td, th)");
    if (cells.length !== newer.length) return;
    cells.forEach((cell, index) => {
      if (cell.classList.contains("action-checkbox") || cell.contains(document.activeElement)) return;
      if (cell.innerHTML !== newer[index].innerHTML) cell.innerHTML = newer[index].innerHTML;
    });
  }

  function replace(page) {
    const table = place.querySelector("#result_list");
    const fresh = page.querySelector("#result_list");
    if (!table || !fresh) {
      // The first row of an empty list, or the last one gone.
      if (Boolean(table) !== Boolean(fresh)) location.reload();
      return;
    }
    const old = new Map(rowsOf(document).map((row) => [keyOf(row), row]));
    const newer = rowsOf(page);
    for (const row of newer) if (old.has(keyOf(row))) update(old.get(keyOf(row)), row);
    if (isInside()) return;
    const rows = newer.map((row) => old.get(keyOf(row)) ?? document.importNode(row, true));
    const isSame = rows.length === old.size && rows.every((row, index) => row === [...old.values()][index]);
    if (isSame) return;
    for (const row of old.values()) row.remove();
    table.append(...rows);
    // Django's script knows the boxes that were there at first.
    if (window.Actions && document.getElementById("action-toggle")) {
      const toggle = document.getElementById("action-toggle");
      toggle.replaceWith(toggle.cloneNode(true));
      Actions(document.querySelectorAll("tr input.action-select"));
    }
  }

  async function refresh() {
    const why = rests();
    if (why) return say(`Not refreshed ${why}, since ${refreshed}`);
    try {
      const answer = await fetch(location.href, { headers: { "X-Requested-With": "fetch" } });
      if (answer.redirected) return location.reload(); // The login has expired.
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      hedgehogPrepare(page);
      if (rests()) return;
      replace(page);
      const [foot, newFoot] = [document, page].map((each) => each.querySelector("#list-foot dl"));
      if (foot && newFoot && foot.innerHTML !== newFoot.innerHTML) foot.innerHTML = newFoot.innerHTML;
      refreshed = clock();
      say(`Refreshed ${refreshed}`);
    } catch {
      say(`No news since ${refreshed}`);
    }
  }

  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
});
