// Questions before deeds: a link marked data-question opens in a dialog. Focus is on the way back, Esc leaves, Enter does
// not do the deed, pressed twice it is done once. Its figures stay fresh; after a jump of the price its button rests.
(() => {
  const FRESH_MS = 3000, REST_MS = 1000, JUMP = 0.005;
  let dialog, timer;

  const content = (html) => new DOMParser().parseFromString(html, "text/html").querySelector("[data-question-content]");
  const ask = (url) => fetch(url, { headers: { "X-Dialog": "1" }, credentials: "same-origin", cache: "no-store" });

  async function open(link) {
    const response = await ask(link.href).catch(() => null);
    const found = response && response.ok && !response.redirected ? content(await response.text()) : null;
    if (!found) return void location.assign(link.href); // A login, an error: as a page it says what it is.
    dialog = document.createElement("dialog");
    dialog.className = "hh-dialog";
    dialog.setAttribute("aria-labelledby", "question-title");
    dialog.append(found);
    document.body.append(dialog);
    dialog.addEventListener("close", () => { clearInterval(timer); dialog.remove(); link.focus(); });
    prepare(dialog.querySelector("form"), link.href);
    dialog.showModal();
    dialog.querySelector("[data-keep]").focus();
  }

  function prepare(form, url) {
    const doIt = form.querySelector("[data-do]");
    form.querySelectorAll("[data-no-script]").forEach((button) => button.remove());
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input, select")) event.preventDefault();
    });
    form.addEventListener("submit", () => setTimeout(() => { doIt.disabled = true; doIt.textContent += " …"; }));
    form.querySelector("[data-keep]").addEventListener("click", (event) => {
      if (!dialog?.open) return;
      event.preventDefault();
      dialog.close();
    });
    let typed;
    form.addEventListener("input", (event) => {
      if (event.target.name === "why") return;
      clearTimeout(typed);
      doIt.disabled = true; // What it says is of the value before.
      typed = setTimeout(() => refresh(form, url, doIt), 400);
    });
    timer = setInterval(() => document.visibilityState === "visible" && refresh(form, url, doIt), FRESH_MS);
  }

  async function refresh(form, url, doIt) {
    if (form.dataset.asking) return;
    form.dataset.asking = "1";
    try {
      const address = new URL(url, location.href);
      for (const [name, value] of new FormData(form)) if (name !== "csrfmiddlewaretoken") address.searchParams.set(name, value);
      const response = await ask(address);
      const fresh = response.ok && !response.redirected ? content(await response.text()) : null;
      if (!fresh || !form.isConnected) return;
      const before = price(form), now = price(fresh);
      form.querySelector("[data-figures]").replaceWith(fresh.querySelector("[data-figures]"));
      const button = fresh.querySelector("[data-do]");
      doIt.textContent = button.textContent;
      doIt.disabled = button.disabled;
      doIt.title = button.title;
      if (!button.disabled && before && now && Math.abs(now / before - 1) > JUMP) rest(form, doIt);
    } finally {
      delete form.dataset.asking;
    }
  }

  const price = (root) => Number(root.querySelector("[data-figures]")?.dataset.price);

  function rest(form, doIt) {
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    said.textContent = "The price has moved: look again.";
    form.querySelector("[data-figures]").append(said);
    doIt.disabled = true;
    setTimeout(() => { doIt.disabled = false; }, REST_MS);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-question]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    if (!dialog?.open) open(link);
  });
})();
