// All persons as points of a map: moved, zoomed, pointed at, clicked, and chosen among. Searching on
// it can also be done without it, through the neighbours.
const map = (() => {
  const { state } = stage;
  const part = (name) => document.getElementById(name);
  const listeners = { search: () => {} };

  const colourBy = (choice) => {
    part("map-legend").replaceChildren(
      ...layers.colourBy(choice).map(([name, text]) => {
        const swatch = elements.make("i", { class: "swatch" });
        swatch.style.background = `var(--${name})`;
        return elements.make("li", { title: text }, swatch, text);
      }),
    );
  };

  // The person shown and its neighbours in sight of the reader.
  const show = (row, hits) => {
    const isNew = row !== state.current.row;
    state.current = { row, hits };
    if (!stage.isOpen()) return;
    pointing.hideCard();
    state.pointed = null;
    if (isNew && !view.isSeen(row)) {
      const { size, toX, toY, pan } = view;
      pan(size.width / 2 - toX(row), size.height / 2 - toY(row));
    }
    stage.draw();
    if (state.aiming) pointing.aim();
  };

  const open = async () => {
    const places = await persons.places();
    pointing.open(places);
    const choice = part("map-colour");
    persons.facts.labels.forEach(({ kind }, i) => choice.append(new Option(kind, String(i))));
    choice.value = colouring.first();
    choice.disabled = false;
    colourBy(choice.value);
    choice.addEventListener("change", () => {
      colourBy(choice.value);
      stage.draw();
    });
    choosing.open();
    moving.open(listeners.search);
    for (const button of part("map-tools").querySelectorAll("button")) button.disabled = false;
    stage.open(places);
  };

  // search: called with the person chosen. fail: what to do where a file could not be read.
  const bind = ({ search, fail }) => {
    Object.assign(listeners, { search });
    selected.bind({ search, fail, point: (row) => pointing.point(row, false) });
  };

  const point = (row) => pointing.point(row, false);

  return { bind, open, show, draw: stage.draw, point };
})();
