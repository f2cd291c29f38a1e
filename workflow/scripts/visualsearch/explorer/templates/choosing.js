// Choosing persons on the map: by a rectangle or a lasso that is drawn, by a rectangle that keys move
// and size, or all that are in view.
const choosing = (() => {
  const { count } = persons;
  const { state, marks } = stage;
  const { size } = view;
  const part = (name) => document.getElementById(name);
  const MODES = ["move", "rectangle", "lasso"];
  // In CSS pixels: a step of the keys, the least side of their rectangle, and what a finger may
  // tremble.
  const STEP = 24;
  const LEAST = 16;
  const TREMBLE = 3;
  const [, many] = persons.facts.things;

  let mode = "move";
  // While a pointer draws: where it started and went, [[x, y]].
  let path = null;
  // While keys choose: {left, top, width, height}.
  let frame = null;

  const say = (text) => {
    part("announce").textContent = text;
  };

  const howBy = (event) => {
    if (event.shiftKey) return "add";
    return event.altKey ? "take" : part("choose-how").value;
  };

  // Takes what is chosen now together with what was selected before.
  const choose = ({ mask, many: inside }, how) => {
    const before = how === "replace" ? null : selection.rows;
    if (before) {
      const take = how === "take";
      for (let row = 0; row < count; row += 1) {
        mask[row] = take ? before[row] & (1 - mask[row]) : before[row] | mask[row];
      }
    } else if (how === "take") mask.fill(0);
    selection.set(mask);
    const selected = words.count(selection.count, persons.facts.things);
    say(`${words.number(inside)} chosen. Now selected: ${selected}`);
  };

  const setOutline = (corners) => {
    state.outline = corners;
    stage.drawMarks();
  };

  // By a pointer

  const begin = (place) => {
    path = [place];
    frame = null;
  };

  const extend = (place) => {
    if (!path) return;
    const [[left, top]] = path;
    if (mode === "rectangle") {
      path = [path[0], place];
      setOutline(shapes.rectangle(left, top, ...place));
      return;
    }
    const [x, y] = path.at(-1);
    if (Math.hypot(place[0] - x, place[1] - y) < TREMBLE) return;
    path.push(place);
    setOutline(path);
  };

  const cancel = () => {
    path = null;
    frame = null;
    setOutline(null);
  };

  const end = (event) => {
    const corners = state.outline;
    cancel();
    if (corners) choose(shapes.within(corners), howBy(event));
  };

  // By keys

  const cornersOf = ({ left, top, width, height }) =>
    shapes.rectangle(left, top, left + width, top + height);

  const keepInside = () => {
    frame.width = Math.max(LEAST, Math.min(size.width, frame.width));
    frame.height = Math.max(LEAST, Math.min(size.height, frame.height));
    frame.left = Math.max(0, Math.min(size.width - frame.width, frame.left));
    frame.top = Math.max(0, Math.min(size.height - frame.height, frame.top));
  };

  const showFrame = (more = "") => {
    keepInside();
    const corners = cornersOf(frame);
    setOutline(corners);
    say(`${words.number(shapes.within(corners).many)} ${many} in the rectangle.${more}`);
  };

  const startFrame = () => {
    const [width, height] = [size.width / 3, size.height / 3];
    frame = { left: width, top: height, width, height };
    showFrame(" Arrows move it, Shift with arrows resizes it, Enter selects what is in it.");
  };

  const ARROWS = {
    ArrowLeft: [-STEP, 0],
    ArrowRight: [STEP, 0],
    ArrowUp: [0, -STEP],
    ArrowDown: [0, STEP],
  };

  // Whether the key was one of these.
  const press = (event) => {
    if (event.key === "Escape") {
      cancel();
      setMode("move");
      return true;
    }
    if (event.key === "Enter" || event.key === " ") {
      if (frame) choose(shapes.within(cornersOf(frame)), howBy(event));
      else startFrame();
      return true;
    }
    const step = ARROWS[event.key];
    if (!step) return false;
    if (!frame) startFrame();
    else {
      const [across, down] = event.shiftKey ? ["width", "height"] : ["left", "top"];
      frame[across] += step[0];
      frame[down] += step[1];
      showFrame();
    }
    return true;
  };

  // The map under the rectangle has moved.
  const moved = () => {
    if (frame) showFrame();
  };

  // Modes

  const setMode = (name) => {
    mode = name;
    for (const one of MODES) part(`choose-${one}`).setAttribute("aria-pressed", one === name);
    marks.toggleAttribute("data-choosing", name !== "move");
    if (path || frame) cancel();
  };

  const open = () => {
    for (const one of MODES) part(`choose-${one}`).addEventListener("click", () => setMode(one));
    part("choose-view").addEventListener("click", (event) => {
      const all = shapes.rectangle(0, 0, size.width, size.height);
      choose(shapes.within(all), howBy(event));
    });
    selection.onChange(() => {
      if (!selection.rows) part("choose-how").value = "replace";
      stage.draw();
    });
  };

  return {
    isOn: () => mode !== "move",
    isDrawing: () => path !== null,
    begin,
    extend,
    end,
    cancel,
    startFrame,
    press,
    moved,
    open,
  };
})();
