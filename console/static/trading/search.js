// Search from any page: t opens it, arrows choose, Enter goes there, Esc leaves. console/admin/search.py finds.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("search");
  if (!dialog) return;
  const input = dialog.querySelector("input");
  const found = dialog.querySelector(".hh-search-found");
  const says = dialog.querySelector(".hh-search-says");
  const WAITS_MS = 120;
  let timer, asked, answered = "", chosen = -1;

  const options = () => [...found.querySelectorAll("[role=option]")];

  function choose(index) {
    const all = options();
    all[chosen]?.setAttribute("aria-selected", "false");
    chosen = all.length ? (index + all.length) % all.length : -1;
    const option = all[chosen];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  async function ask() {
    asked?.abort();
    asked = new AbortController();
    const text = input.value;
    try {
      const url = `${dialog.dataset.url}?q=${encodeURIComponent(text)}`;
      const answer = await fetch(url, { signal: asked.signal, headers: { "X-Requested-With": "fetch" } });
      if (answer.redirected) return location.reload(); // The login has expired.
      if (!answer.ok) throw new Error(answer.statusText);
      found.innerHTML = await answer.text();
      answered = text;
      chosen = -1;
      choose(0);
      const count = options().length;
      input.setAttribute("aria-expanded", String(count > 0));
      says.textContent = text.trim() ? `${count} result${count === 1 ? "" : "s"}` : "";
    } catch (error) {
      if (error.name !== "AbortError") says.textContent = "No answer from the server.";
    }
  }

  function open() {
    if (dialog.open) return;
    dialog.showModal();
    input.select();
    if (input.value) ask();
  }

  function go(option, event) {
    if (!option) return;
    if (event.ctrlKey || event.metaKey) window.open(option.dataset.url, "_blank");
    else location.href = option.dataset.url;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAITS_MS);
  });
  input.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (input.value !== answered) {
        clearTimeout(timer);
        await ask(); // What stands in the field now, however fast it was typed.
      }
      go(options()[chosen], event);
    } else if (event.key === "Escape") {
      // The browser's own search field would only empty itself.
      event.preventDefault();
      dialog.close();
    }
  });
  found.addEventListener("click", (event) => go(event.target.closest("[role=option]"), event));
  found.addEventListener("pointermove", (event) => {
    const at = options().indexOf(event.target.closest("[role=option]"));
    if (at >= 0 && at !== chosen) choose(at);
  });
  dialog.querySelector(".hh-search-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  for (const button of document.querySelectorAll("[data-search]")) button.addEventListener("click", open);

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]");
    if (event.key.toLowerCase() !== "t" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
    event.preventDefault();
    open();
  });
});
