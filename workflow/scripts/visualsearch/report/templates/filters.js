// Hits below a score or a height are hidden, and how many is told.
const filters = (() => {
  const NAMES = ["score", "height"];

  const bind = () => {
    const inputs = NAMES.map((name) => document.getElementById(`least-${name}`));
    if (inputs.includes(null)) return;
    const hits = [];
    galleries.each((view, crop, query, item) => {
      const element = galleries.hitOf(query, item);
      if (element) hits.push({ view, element });
    });

    const showValue = (input) => {
      const value = Number(input.value);
      const text = input.step === "1" ? `${value} px` : value.toFixed(2);
      document.querySelector(`output[for="${input.id}"]`).textContent = text;
      input.setAttribute("aria-valuetext", text);
    };

    const apply = () => {
      inputs.forEach(showValue);
      const least = inputs.map((input) => Number(input.value));
      for (const { view, element } of hits) {
        element.hidden = NAMES.some((name, place) => view[name] < least[place]);
      }
      for (const list of document.querySelectorAll(".hits")) {
        const hidden = list.querySelectorAll(".hit[hidden]").length;
        const note = list.closest(".gallery").querySelector(".hidden-note");
        note.textContent = hidden ? `${hidden} of ${list.children.length} hidden by the filters` : "";
      }
      const hidden = hits.filter(({ element }) => element.hidden).length;
      document.getElementById("filtered").textContent = hidden
        ? `${hidden} of ${hits.length} hidden`
        : `All ${hits.length} shown`;
    };

    for (const input of inputs) input.addEventListener("input", apply);
    document.getElementById("show-all").addEventListener("click", () => {
      for (const input of inputs) input.value = input.min;
      apply();
    });
    // A browser that comes back to the page may have kept what was chosen.
    apply();
  };

  return { bind };
})();
