// The reader's picture with boxes on it: those of persons that were found, as buttons, and one that
// the reader draws with the pointer or gives as numbers. Boxes are corners in pixels.
const ownBoxes = (() => {
  const part = (name) => document.getElementById(name);
  const [panel, found, drawn] = ["own-panel", "own-found", "own-drawn"].map(part);
  const fields = ["own-left", "own-top", "own-width", "own-height"].map(part);
  const [one] = persons.facts.things;
  // A pointer that moves less was meant to press.
  const STILL = 5;
  const listeners = {};
  let size = null;
  let start = null;

  const place = (element, [left, top, right, bottom]) => {
    element.style.left = `${(left / size.width) * 100}%`;
    element.style.top = `${(top / size.height) * 100}%`;
    element.style.width = `${((right - left) / size.width) * 100}%`;
    element.style.height = `${((bottom - top) / size.height) * 100}%`;
  };

  // Shows which box is searched for, on the picture and in the fields.
  const choose = (box, button = null) => {
    for (const other of found.querySelectorAll("button")) {
      other.setAttribute("aria-pressed", other === button);
    }
    drawn.hidden = button !== null;
    if (!button) place(drawn, box);
    const [left, top, right, bottom] = box;
    const shown = [left, top, right - left, bottom - top];
    fields.forEach((field, i) => {
      field.value = Math.round(shown[i]);
    });
  };

  const buttonOf = ({ score, box }, i, all) => {
    const button = elements.make("button", { type: "button", class: "own-box" });
    const text = `${one} ${i + 1} of ${all.length}, score ${words.decimals(score)}`;
    button.setAttribute("aria-label", `${text}. Search for this one`);
    button.title = text;
    button.setAttribute("aria-pressed", "false");
    place(button, box);
    button.addEventListener("click", () => {
      choose(box, button);
      listeners.search(box);
    });
    return elements.make("li", {}, button);
  };

  // image: an ImageData.
  const show = (image) => {
    size = { width: image.width, height: image.height };
    const canvas = part("own-canvas");
    Object.assign(canvas, size);
    canvas.getContext("2d").putImageData(image, 0, 0);
    panel.style.setProperty("--ratio", image.width / image.height);
    // One of the old boxes may have the focus.
    focus.during(() => found.replaceChildren(), part("own-file"));
    drawn.hidden = true;
    [size.width - 1, size.height - 1, size.width, size.height].forEach((most, i) => {
      fields[i].max = most;
      fields[i].value = "";
    });
  };

  // many: [{score, box}]. isFirst: whether the first of them is chosen.
  const offer = (many, isFirst) => {
    found.replaceChildren(...many.map(buttonOf));
    // A small box is not hidden by a large one.
    const area = (button) => button.offsetWidth * button.offsetHeight;
    const buttons = [...found.querySelectorAll("button")].toSorted((a, b) => area(b) - area(a));
    buttons.forEach((button, i) => {
      button.style.zIndex = i + 1;
    });
    if (many.length && isFirst) choose(many[0].box, found.querySelector("button"));
  };

  const at = ({ clientX, clientY }) => {
    const box = part("own-canvas").getBoundingClientRect();
    const within = (share, side) => Math.round(Math.max(0, Math.min(1, share)) * side);
    return [
      within((clientX - box.left) / box.width, size.width),
      within((clientY - box.top) / box.height, size.height),
    ];
  };

  const between = ([x, y], [right, bottom]) => [
    Math.min(x, right),
    Math.min(y, bottom),
    Math.max(x, right),
    Math.max(y, bottom),
  ];

  const isBox = ([left, top, right, bottom]) => right > left && bottom > top;

  const down = (event) => {
    if (event.button !== 0) return;
    start = { at: at(event), x: event.clientX, y: event.clientY, moves: false };
  };

  const move = (event) => {
    if (!start) return;
    if (!start.moves) {
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) < STILL) return;
      start.moves = true;
      // From now on the panel hears of it all, so that no button beneath is pressed at the end.
      panel.setPointerCapture(event.pointerId);
    }
    const box = between(start.at, at(event));
    if (isBox(box)) choose(box);
  };

  const up = (event) => {
    const box = start?.moves ? between(start.at, at(event)) : null;
    start = null;
    if (box && isBox(box)) listeners.search(box);
  };

  // The box in the fields, or null.
  const given = () => {
    const [left, top, width, height] = fields.map((field) => field.valueAsNumber);
    const box = [left, top, left + width, top + height];
    const fits =
      isBox(box) && left >= 0 && top >= 0 && left < size.width && top < size.height;
    return fits ? box : null;
  };

  // search: a box was chosen. complain: the fields give no box.
  const bind = ({ search, complain }) => {
    Object.assign(listeners, { search });
    panel.addEventListener("pointerdown", down);
    panel.addEventListener("pointermove", move);
    panel.addEventListener("pointerup", up);
    panel.addEventListener("pointercancel", () => {
      start = null;
    });
    part("own-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const box = given();
      if (!box) {
        complain(
          `The box must lie within the picture, which is ${size.width} px wide and ${size.height} px high.`,
        );
        return;
      }
      choose(box);
      search(box);
    });
  };

  return { bind, show, offer };
})();
