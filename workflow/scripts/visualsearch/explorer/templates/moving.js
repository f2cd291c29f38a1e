// Moving and zooming the map, by pointers, the wheel, keys and buttons; and a click, which searches.
const moving = (() => {
  const { state, marks, placeOf } = stage;
  const part = (name) => document.getElementById(name);
  // In CSS pixels.
  const STEP = 48;
  const CLICK = 4;

  const change = (act, ...args) => {
    act(...args);
    marks.toggleAttribute("data-zoomed", view.zoomed() > 1);
    if (state.aiming) pointing.aim();
    else pointing.point(null, true);
    choosing.moved();
    stage.draw();
  };

  const bindPointers = (search) => {
    const down = new Map();
    let way = 0;
    const spread = () => {
      const [[ax, ay], [bx, by]] = down.values();
      return Math.hypot(ax - bx, ay - by);
    };
    marks.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      marks.setPointerCapture(event.pointerId);
      if (down.size === 0) way = 0;
      down.set(event.pointerId, placeOf(event));
      state.aiming = false;
      // A second finger moves the map in every mode.
      if (down.size > 1) choosing.cancel();
      else if (choosing.isOn()) choosing.begin(placeOf(event));
    });
    marks.addEventListener("pointermove", (event) => {
      const now = placeOf(event);
      const before = down.get(event.pointerId);
      if (!before) {
        if (event.pointerType !== "touch") pointing.point(pointing.rowAt(...now), true);
        return;
      }
      const step = [now[0] - before[0], now[1] - before[1]];
      way += Math.hypot(...step);
      if (down.size === 1) {
        down.set(event.pointerId, now);
        if (way <= CLICK) return;
        if (choosing.isDrawing()) {
          pointing.point(null, true);
          choosing.extend(now);
        } else if (!choosing.isOn()) change(view.pan, ...step);
        return;
      }
      const apart = spread();
      down.set(event.pointerId, now);
      const [[ax, ay], [bx, by]] = down.values();
      if (apart > 0) change(view.zoom, spread() / apart, (ax + bx) / 2, (ay + by) / 2);
      change(view.pan, step[0] / down.size, step[1] / down.size);
    });
    marks.addEventListener("pointerup", (event) => {
      const wasAlone = down.size === 1;
      if (!down.delete(event.pointerId) || !wasAlone) return;
      if (way > CLICK) {
        choosing.end(event);
        return;
      }
      choosing.cancel();
      const row = pointing.rowAt(...placeOf(event));
      if (row !== null) search(row);
    });
    marks.addEventListener("pointercancel", (event) => {
      down.delete(event.pointerId);
      choosing.cancel();
    });
    marks.addEventListener("pointerleave", () => {
      if (!state.aiming) pointing.point(null, true);
    });
  };

  const bindWheel = () => {
    marks.addEventListener(
      "wheel",
      (event) => {
        // Where there is nothing more to see, the page scrolls on.
        if (event.deltaY > 0 && view.zoomed() <= 1 && !event.ctrlKey) return;
        event.preventDefault();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
        // A pinch on a touch pad comes as a wheel with this key, in small steps.
        const speed = event.ctrlKey ? 0.01 : 0.002;
        change(view.zoom, Math.exp(-event.deltaY * lines * speed), ...placeOf(event));
      },
      { passive: false },
    );
  };

  const KEYS = {
    ArrowLeft: [view.pan, STEP, 0],
    ArrowRight: [view.pan, -STEP, 0],
    ArrowUp: [view.pan, 0, STEP],
    ArrowDown: [view.pan, 0, -STEP],
    "+": [view.zoom, 1.4],
    "=": [view.zoom, 1.4],
    "-": [view.zoom, 1 / 1.4],
    0: [view.fit],
  };

  const bindKeys = (search) => {
    marks.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey) return;
      if (choosing.isOn() && choosing.press(event)) {
        event.preventDefault();
        return;
      }
      if (event.altKey) return;
      if (event.key in KEYS) {
        state.aiming = !choosing.isOn();
        change(...KEYS[event.key]);
      } else if (event.key === "Escape") pointing.stopAiming();
      else if ((event.key === "Enter" || event.key === " ") && state.pointed !== null) {
        search(state.pointed);
      } else return;
      event.preventDefault();
    });
    marks.addEventListener("focus", () => {
      if (!marks.matches(":focus-visible")) return;
      if (choosing.isOn()) choosing.startFrame();
      else pointing.aim();
    });
    marks.addEventListener("blur", () => {
      choosing.cancel();
      pointing.stopAiming();
    });
    part("map-in").addEventListener("click", () => change(view.zoom, 1.6));
    part("map-out").addEventListener("click", () => change(view.zoom, 1 / 1.6));
    part("map-fit").addEventListener("click", () => change(view.fit));
  };

  // search: called with the person that was clicked.
  const open = (search) => {
    bindPointers(search);
    bindWheel();
    bindKeys(search);
  };

  return { open };
})();
