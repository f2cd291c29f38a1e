// All persons as points of a map: moved, zoomed, pointed at and clicked. All it does can be done
// without it, through the neighbours.
const map = (() => {
  const { facts, count, set } = persons;
  const part = (name) => document.getElementById(name);
  const panel = part("map-panel");
  const base = part("map-points");
  const marks = part("map-marks");
  const card = part("map-card");
  const cardPicture = thumbnails.make();

  // In CSS pixels.
  const REACH = 14;
  const STEP = 48;
  // Few persons in sight are shown as pictures: few enough, and from few sheets.
  const MOST_PICTURES = 200;
  const MOST_SHEETS = 24;

  const listeners = { search: () => {} };
  let places = null;
  let nearest = null;
  let surface = null;
  const { size, at, toX, toY, isSeen } = view;
  let classes = new Uint8Array(count);
  let current = { row: 0, hits: [] };
  let pictures = null;
  const sheets = new Map();
  let pointed = null;
  let aiming = false;
  let asked = false;

  // Colours

  const probe = elements.make("span", { hidden: "" });
  panel.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const channels = (name) => colour(name).match(/[\d.]+/g).slice(0, 3).map(Number);

  let names = ["class-1"];
  const colourBy = (choice) => {
    const scheme = colouring.by(choice);
    ({ names } = scheme);
    classes = Uint8Array.from({ length: count }, (_, row) => scheme.of(row));
    part("map-legend").replaceChildren(
      ...scheme.legend.map(([name, text]) => {
        const swatch = elements.make("i", { class: "swatch" });
        swatch.style.background = `var(--${name})`;
        return elements.make("li", { title: text }, swatch, text);
      }),
    );
  };

  // Drawing

  const diameter = () => {
    const each = Math.sqrt((size.width * size.height) / Math.max(1, count));
    const grown = 0.5 * each * Math.sqrt(view.zoomed());
    return Math.max(2, Math.min(9, grown)) * size.ratio;
  };

  // The persons in sight if they are to be pictures, with the height of these; else null.
  const choosePictures = () => {
    const rows = [];
    const wantedSheets = new Set();
    for (let row = 0; row < count; row += 1) {
      if (!filters.passes[row] || !isSeen(row)) continue;
      rows.push(row);
      wantedSheets.add(thumbnails.sheetOf(row));
      if (rows.length > MOST_PICTURES || wantedSheets.size > MOST_SHEETS) return null;
    }
    const each = Math.sqrt((size.width * size.height) / Math.max(1, rows.length));
    return { rows, height: Math.max(20, Math.min(72, each * 0.75)) };
  };

  const loadSheet = (row) => {
    const number = thumbnails.sheetOf(row);
    if (sheets.has(number)) return;
    sheets.set(number, null);
    thumbnails.sheet(row).then(
      (image) => {
        sheets.set(number, image);
        draw();
      },
      // A point is there in its place; the gallery says what is missing.
      () => {},
    );
  };

  const frameOf = (row, larger) => {
    const [, , wide, high] = thumbnails.place(row);
    const scale = (larger * pictures.height) / Math.max(wide, high, 1);
    const [width, height] = [wide * scale, high * scale];
    return [toX(row) - width / 2, toY(row) - height / 2, width, height];
  };

  const drawPicture = (context, row, rim, rimWidth, larger = 1) => {
    const image = sheets.get(thumbnails.sheetOf(row));
    if (!image) return;
    const frame = frameOf(row, larger);
    context.lineWidth = rimWidth * 2;
    context.strokeStyle = rim;
    context.strokeRect(...frame);
    context.drawImage(image, ...thumbnails.place(row), ...frame);
  };

  const dot = (context, row, radius, fill) => {
    context.beginPath();
    context.arc(toX(row), toY(row), radius, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = colour("raised");
    context.stroke();
  };

  const drawMarks = () => {
    const context = marks.getContext("2d");
    context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    const [mark, ink] = [colour("mark"), colour("ink")];
    const { row, hits } = current;
    context.globalAlpha = pictures ? 0.6 : 0.35;
    context.strokeStyle = ink;
    context.lineWidth = 1.25;
    context.beginPath();
    for (const hit of hits) {
      context.moveTo(toX(row), toY(row));
      context.lineTo(toX(hit.row), toY(hit.row));
    }
    context.stroke();
    context.globalAlpha = 1;
    const show = (which, radius, rim) => {
      if (pictures && sheets.get(thumbnails.sheetOf(which))) {
        drawPicture(context, which, rim, radius / 2.25, 1 + radius / 18);
      } else dot(context, which, radius, rim);
    };
    for (const hit of hits.toReversed()) show(hit.row, 4.5, ink);
    show(row, 7, mark);
    if (pointed !== null) show(pointed, 6, pointed === row ? mark : colour("link"));
    if (aiming) {
      const [x, y] = [size.width / 2, size.height / 2];
      context.strokeStyle = ink;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 5 * dx, y + 5 * dy);
        context.lineTo(x + 13 * dx, y + 13 * dy);
      }
      context.stroke();
    }
  };

  const frame = () => {
    asked = false;
    const start = performance.now();
    const context = base.getContext("2d", { alpha: false });
    const { ratio } = size;
    pictures = choosePictures();
    const palette = names.map(channels);
    points.paint(context, surface, {
      places,
      view: { scale: at.scale * ratio, left: at.left * ratio, top: at.top * ratio },
      classes,
      palette,
      paper: channels("raised"),
      passes: filters.passes,
      diameter: diameter(),
      opacity: count > 5000 ? 0.7 : 0.9,
      faint: 0.22,
    });
    if (pictures) {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      for (const row of pictures.rows) {
        loadSheet(row);
        drawPicture(context, row, `rgb(${palette[classes[row]]})`, 1.5);
      }
      context.setTransform(1, 0, 0, 1, 0, 0);
    }
    drawMarks();
    performance.measure("map-frame", { start, end: performance.now() });
  };

  const draw = () => {
    if (asked || !surface) return;
    asked = true;
    requestAnimationFrame(frame);
  };

  // Pointing

  const hideCard = () => {
    card.hidden = true;
  };

  const describe = (row) => {
    const hit = current.hits.find((one) => one.row === row);
    return [
      ...(row === current.row ? ["the query"] : []),
      ...(hit ? [`neighbour ${hit.rank}, similarity ${words.decimals(hit.similarity, 3)}`] : []),
      `score ${persons.scoreText(row)} · ${words.number(set.height[row])} px`,
      ...persons.labels(row).map(({ kind, value }) => `${kind} ${value}`),
    ];
  };

  const showCard = (row) => {
    part("map-card-text").replaceChildren(
      ...describe(row).map((text) => elements.make("li", {}, text)),
    );
    thumbnails.draw(cardPicture, row).catch(() => {});
    card.hidden = false;
    const [x, y] = [toX(row), toY(row)];
    const left = Math.max(6, Math.min(size.width - card.offsetWidth - 6, x - card.offsetWidth / 2));
    const below = y + 26;
    const isBelow = below + card.offsetHeight < size.height - 6;
    card.style.left = `${left}px`;
    card.style.top = `${isBelow ? below : Math.max(6, y - 26 - card.offsetHeight)}px`;
  };

  // withCard: not when it was pointed at in the gallery, where its picture is in sight.
  const point = (row, withCard) => {
    if (!surface) return;
    if (row === null || !withCard) hideCard();
    else if (row !== pointed || card.hidden) showCard(row);
    pointed = row;
    marks.style.cursor = row !== null && withCard ? "pointer" : "";
    drawMarks();
  };

  const rowAt = (x, y, reach = Math.max(REACH, pictures ? pictures.height / 2 : 0)) =>
    nearest((x - at.left) / at.scale, (y - at.top) / at.scale, reach / at.scale);

  const aim = () => {
    aiming = true;
    point(rowAt(size.width / 2, size.height / 2, Math.min(size.width, size.height) / 3), true);
    const said = pointed === null ? "nobody" : describe(pointed).join(", ");
    part("announce").textContent = `In the middle: ${said}`;
  };

  const stopAiming = () => {
    aiming = false;
    point(null, true);
  };

  const change = (act, ...args) => {
    act(...args);
    marks.toggleAttribute("data-zoomed", view.zoomed() > 1);
    if (aiming) aim();
    else point(null, true);
    draw();
  };

  // Input

  const placeOf = (event) => {
    const box = marks.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const bindPointers = () => {
    const down = new Map();
    let moved = 0;
    const spread = () => {
      const [[ax, ay], [bx, by]] = down.values();
      return Math.hypot(ax - bx, ay - by);
    };
    marks.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      marks.setPointerCapture(event.pointerId);
      if (down.size === 0) moved = 0;
      down.set(event.pointerId, placeOf(event));
      aiming = false;
    });
    marks.addEventListener("pointermove", (event) => {
      const now = placeOf(event);
      const before = down.get(event.pointerId);
      if (!before) {
        if (event.pointerType !== "touch") point(rowAt(...now), true);
        return;
      }
      const step = [now[0] - before[0], now[1] - before[1]];
      moved += Math.hypot(...step);
      if (down.size === 1) {
        down.set(event.pointerId, now);
        if (moved > 4) change(view.pan, ...step);
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
      if (!down.delete(event.pointerId) || !wasAlone || moved > 4) return;
      const row = rowAt(...placeOf(event));
      if (row !== null) listeners.search(row);
    });
    marks.addEventListener("pointercancel", (event) => down.delete(event.pointerId));
    marks.addEventListener("pointerleave", () => {
      if (!aiming) point(null, true);
    });
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

  const bindKeys = () => {
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
    marks.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key in KEYS) {
        aiming = true;
        change(...KEYS[event.key]);
      } else if (event.key === "Escape") stopAiming();
      else if ((event.key === "Enter" || event.key === " ") && pointed !== null) {
        listeners.search(pointed);
      } else return;
      event.preventDefault();
    });
    marks.addEventListener("focus", () => {
      if (marks.matches(":focus-visible")) aim();
    });
    marks.addEventListener("blur", stopAiming);
    part("map-in").addEventListener("click", () => change(view.zoom, 1.6));
    part("map-out").addEventListener("click", () => change(view.zoom, 1 / 1.6));
    part("map-fit").addEventListener("click", () => change(view.fit));
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
    draw();
  };

  // The person shown and its neighbours in sight of the reader.
  const show = (row, hits) => {
    const isNew = row !== current.row;
    current = { row, hits };
    if (!surface) return;
    hideCard();
    pointed = null;
    if (isNew && !isSeen(row)) {
      view.pan(size.width / 2 - toX(row), size.height / 2 - toY(row));
    }
    draw();
    if (aiming) aim();
  };

  const open = async () => {
    places = await persons.places();
    nearest = points.grid(places, filters.passes);
    view.open(places);
    const choice = part("map-colour");
    facts.labels.forEach(({ kind }, i) => choice.append(new Option(kind, String(i))));
    choice.value = colouring.first();
    choice.disabled = false;
    colourBy(choice.value);
    choice.addEventListener("change", () => {
      colourBy(choice.value);
      draw();
    });
    part("map-card-picture").append(cardPicture);
    bindPointers();
    bindKeys();
    new ResizeObserver(resize).observe(panel);
    panel.classList.remove("waiting");
  };

  // search: called with the person chosen.
  const bind = ({ search }) => Object.assign(listeners, { search });

  return { bind, open, show, draw, point: (row) => point(row, false) };
})();
