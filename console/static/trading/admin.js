// Pages that refresh themselves: charts follow, times are the reader's own, and silence is said.
(() => {
  const two = (n) => String(n).padStart(2, "0");

  // The server renders in this zone from the next page on: console/viewer_zone.py.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `timezone=${zone}; path=/; max-age=31536000; samesite=lax`;

  // Today 17:24:08; this year 27 Nov 21:14; before, with the year.
  function localTimes(root) {
    const now = new Date();
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
      const isThisYear = at.getFullYear() === now.getFullYear();
      const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(isThisYear ? {} : { year: "numeric" }) });
      element.textContent = at.toDateString() === now.toDateString() ? `${clock}:${two(at.getSeconds())}` : `${day} ${clock}`;
    }
    for (const element of root.querySelectorAll("[data-zone]")) element.textContent = `Times: ${zone || "UTC"}`;
  }

  function series() {
    const source = document.getElementById("chart-series");
    return source && JSON.parse(source.textContent);
  }

  function labels(found) {
    return found.hours.map((hour) => {
      const at = new Date(hour);
      const day = found.has_days ? `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ` : "";
      return `${day}${two(at.getHours())}:00`;
    });
  }

  // Unfold draws every canvas.chart from its data-value when the page has loaded; this runs before it.
  function prepareCharts() {
    const found = series();
    if (!found) return;
    for (const canvas of document.querySelectorAll("canvas[data-series]")) {
      const isBar = canvas.dataset.type === "bar";
      canvas.dataset.value = JSON.stringify({
        labels: labels(found),
        datasets: [{
          label: canvas.dataset.label,
          data: found[canvas.dataset.series],
          backgroundColor: isBar ? "var(--color-primary-500)" : "var(--color-primary-100)",
          borderColor: "var(--color-primary-500)",
          displayYAxis: true,
          maxBarThickness: 22,
          barPercentage: 0.7,
          borderRadius: 3,
          stepped: false,
        }],
      });
    }
  }

  function updateCharts() {
    const found = series();
    if (!found) return;
    for (const canvas of document.querySelectorAll("canvas[data-series]")) {
      const chart = Chart.getChart(canvas);
      if (!chart) continue;
      chart.data.labels = labels(found);
      chart.data.datasets[0].data = found[canvas.dataset.series];
      chart.update("none");
    }
  }

  // Selected text would be lost, and a page nobody sees need not ask.
  window.hedgehogMayRefresh = () => document.visibilityState === "visible" && String(getSelection()) === "";

  const stale = (isStale) => document.getElementById("live")?.classList.toggle("hh-stale", isStale);

  // On a phone each cell of a list names its column; Unfold calls the first one a checkbox, whatever it is.
  function labelCells(root) {
    for (const cell of root.querySelectorAll('#result_list td[data-label="Select record"]')) {
      const heads = cell.closest("table").querySelectorAll("thead th");
      const head = cell.querySelector("input.action-select") ? null : heads[cell.cellIndex];
      cell.dataset.label = head ? head.textContent.trim() : "Select";
    }
    for (const cell of root.querySelectorAll("#result_list [data-label]")) {
      cell.dataset.label = cell.dataset.label.charAt(0).toUpperCase() + cell.dataset.label.slice(1);
    }
  }

  // A page that was fetched, before its parts are shown.
  window.hedgehogPrepare = (page) => {
    localTimes(page);
    labelCells(page);
  };

  // A table of ours that is wider than its place stands as rows of labelled cells; one that fits stays a table.
  function stackTables() {
    for (const table of document.querySelectorAll(".hh-scroll > .hh-table")) {
      table.classList.remove("hh-stacked");
      if (document.documentElement.clientWidth >= 1024 || table.scrollWidth <= table.parentElement.clientWidth) continue;
      const heads = [];
      for (const row of table.rows) {
        if (row.querySelector("th")) {
          row.classList.add("hh-heads");
          heads.splice(0, heads.length, ...[...row.cells].map((head) => head.textContent.trim()));
        } else {
          let column = 0;
          for (const cell of row.cells) {
            if (heads[column]) cell.dataset.label = heads[column];
            column += cell.colSpan;
          }
        }
      }
      table.classList.add("hh-stacked");
    }
  }

  // Django's pickers of many hang a label on what a screen reader takes for nothing.
  function nameHints() {
    for (const hint of document.querySelectorAll("span[aria-label]:not([role])")) hint.setAttribute("role", "img");
  }

  // What Unfold lets only a pointer press: the sidebar's switch, filters, the account's menu, themes.
  const NAMES = { dock_to_right: "Sidebar", close: "Close", more_horiz: "More" };
  function letKeysPress() {
    const pressed = "[x-on\\:click]:not(a[href], button, input, select, summary, [tabindex], #changelist-filter-close)";
    for (const element of document.querySelectorAll(pressed)) {
      if (element.querySelector("a[href], button, input")) continue;
      element.tabIndex = 0;
      element.setAttribute("role", "button");
      const name = NAMES[element.textContent.trim()];
      if (name) element.setAttribute("aria-label", name);
      element.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        element.click();
      });
    }
  }

  // What is wrong with a form: its fields by name above it, each a link to it, and the first one ready to be corrected.
  function nameErrors() {
    const note = document.querySelector("p.errornote");
    const wrong = [...document.querySelectorAll('[aria-invalid="true"]')].filter((field) => field.type !== "hidden");
    if (!note || !wrong.length) return;
    const goTo = (field) => {
      field.scrollIntoView({ block: "center" });
      field.focus({ preventScroll: true });
    };
    const list = document.createElement("ul");
    for (const field of wrong) {
      const link = document.createElement("a");
      const label = document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
      const why = document.getElementById(`${field.id}_error`)?.textContent.trim() || "";
      link.href = `#${field.id}`;
      link.style.textDecoration = "underline";
      link.textContent = label ? label.textContent.replace("*", "").trim() : field.name;
      link.addEventListener("click", (event) => {
        event.preventDefault();
        goTo(field);
      });
      const item = document.createElement("li");
      item.append(link, why && `: ${why}`);
      list.append(item);
    }
    note.append(list);
    goTo(wrong[0]);
  }

  window.hedgehogTimes = localTimes; // for what pages fetch themselves

  document.addEventListener("DOMContentLoaded", () => {
    letKeysPress();
    localTimes(document);
    labelCells(document);
    stackTables();
    document.querySelector("#tabs-items > .active")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    nameErrors();
    document.body.addEventListener("htmx:beforeSwap", (event) => {
      const asked = new URL(event.detail.pathInfo.requestPath, location.href);
      const answered = new URL(event.detail.xhr.responseURL, location.href);
      if (event.detail.target.id === "live" && asked.pathname !== answered.pathname) {
        event.detail.shouldSwap = false; // The login has expired.
        location.reload();
      }
    });
    document.body.addEventListener("htmx:afterSettle", () => {
      localTimes(document);
      stackTables();
      updateCharts();
    });
    addEventListener("resize", stackTables);
    document.body.addEventListener("htmx:sendError", () => stale(true));
    document.body.addEventListener("htmx:responseError", () => stale(true));
  });
  window.addEventListener("load", prepareCharts);
  window.addEventListener("load", () => setTimeout(nameHints)); // Django makes them at the same moment.
})();
