// Of a symbol's settings those that the chosen strategy reads are shown. What is hidden is kept as it is.
(() => {
  // What holds a field with its label: the outermost element around it that holds no other field.
  function boxOf(element) {
    if (element.tagName === "SPAN") return element;
    let box = element;
    const others = (parent) =>
      [...parent.querySelectorAll("input:not([type=hidden]), select, textarea")].some((each) => each !== element);
    while (box.parentElement && !others(box.parentElement)) box = box.parentElement;
    return box;
  }

  function follow(select) {
    const form = select.closest(".form-group") || select.closest("form"); // An inline has another, hidden form.
    const boxes = [...form.querySelectorAll("[data-strategies]")].map((element) => [element, boxOf(element)]);
    const show = () => {
      for (const [element, box] of boxes) {
        box.style.display = element.dataset.strategies.split(" ").includes(select.value) ? "" : "none";
      }
    };
    select.addEventListener("change", show);
    show();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("select[name$=-strategy]").forEach(follow);
  });
})();
