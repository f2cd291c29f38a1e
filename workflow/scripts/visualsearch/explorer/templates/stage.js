// What the parts of the map share: its canvases and colours, what is to be drawn, and when.
const stage = (() => {
  const part = (name) => document.getElementById(name);
  const panel = part("map-panel");
  const base = part("map-points");
  const marks = part("map-marks");

  // current: the query with the hits that are shown. pointed: the row that is pointed at, or null.
  // aiming: whether keys move the map. pictures: {rows, height} while pictures stand for points.
  // outline: what is being chosen with, as corners [x, y] in CSS pixels, or null.
  const state = {
    places: null,
    current: { row: 0, hits: [] },
    pointed: null,
    aiming: false,
    pictures: null,
    outline: null,
  };

  const probe = elements.make("span", { hidden: "" });
  panel.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const channels = (name) => colour(name).match(/[\d.]+/g).slice(0, 3).map(Number);

  const { size } = view;
  const layers = { points: () => {}, marks: () => {} };
  let surface = null;
  let asked = false;

  const frame = () => {
    asked = false;
    const start = performance.now();
    layers.points(surface);
    layers.marks();
    performance.measure("map-frame", { start, end: performance.now() });
  };

  // Both layers, with the next frame.
  const draw = () => {
    if (asked || !surface) return;
    asked = true;
    requestAnimationFrame(frame);
  };

  // What lies above the points, at once.
  const drawMarks = () => {
    if (surface) layers.marks();
  };

  const resize = () => {
    const { clientWidth: width, clientHeight: height } = panel;
    if (!width || !height) return;
    view.resize(width, height);
    for (const canvas of [base, marks]) {
      canvas.width = Math.round(width * size.ratio);
      canvas.height = Math.round(height * size.ratio);
    }
    surface = points.surface(base.width, base.height);
    // At once: a canvas whose size changed is black until it is painted.
    frame();
  };

  // Where a pointer is on the map.
  const placeOf = (event) => {
    const box = marks.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  // In CSS pixels, whatever a pixel of the screen is.
  const marksContext = () => {
    const context = marks.getContext("2d");
    context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    return context;
  };

  const open = (places) => {
    state.places = places;
    view.open(places);
    new ResizeObserver(resize).observe(panel);
    panel.classList.remove("waiting");
  };

  return {
    panel,
    base,
    marks,
    state,
    layers,
    colour,
    channels,
    draw,
    drawMarks,
    marksContext,
    placeOf,
    open,
    isOpen: () => surface !== null,
  };
})();
