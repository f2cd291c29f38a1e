// The two layers of the map: everybody as points or pictures, and above them the query, its hits,
// and what is pointed at and chosen with.
const layers = (() => {
  const { count } = persons;
  const { state, colour, channels } = stage;
  const { size, at, toX, toY } = view;
  // Of each level: who does not pass the filters, who is not selected while others are, the rest.
  const OTHERS = 0.22;
  const NOT_SELECTED = 0.4;
  const levels = new Uint8Array(count);
  let classes = new Uint8Array(count);
  let names = ["class-1"];

  // Returns what the colours mean: [[name, text]].
  const colourBy = (choice) => {
    const scheme = colouring.by(choice);
    ({ names } = scheme);
    classes = Uint8Array.from({ length: count }, (_, row) => scheme.of(row));
    return scheme.legend;
  };

  const diameter = () => {
    const each = Math.sqrt((size.width * size.height) / Math.max(1, count));
    const grown = 0.5 * each * Math.sqrt(view.zoomed());
    return Math.max(2, Math.min(9, grown)) * size.ratio;
  };

  const fillLevels = () => {
    const { passes } = filters;
    const { rows } = selection;
    if (rows) for (let row = 0; row < count; row += 1) levels[row] = passes[row] * (1 + rows[row]);
    else for (let row = 0; row < count; row += 1) levels[row] = passes[row] * 2;
  };

  const drawPictures = (context, palette) => {
    const { ratio } = size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const row of state.pictures.rows) {
      mapPictures.load(row);
      const isSelected = selection.rows?.[row] === 1;
      context.globalAlpha = selection.rows && !isSelected ? NOT_SELECTED : 1;
      mapPictures.draw(context, row, `rgb(${palette[classes[row]]})`, isSelected ? 3 : 1.5);
    }
    context.globalAlpha = 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
  };

  stage.layers.points = (surface) => {
    const context = stage.base.getContext("2d", { alpha: false });
    const { ratio } = size;
    state.pictures = mapPictures.choose();
    const palette = names.map(channels);
    const full = count > 5000 ? 0.7 : 0.9;
    fillLevels();
    points.paint(context, surface, {
      places: state.places,
      view: { scale: at.scale * ratio, left: at.left * ratio, top: at.top * ratio },
      classes,
      palette,
      paper: channels("raised"),
      levels,
      diameter: diameter(),
      opacities: [OTHERS, full * NOT_SELECTED, full],
    });
    if (state.pictures) drawPictures(context, palette);
  };

  const drawLines = (context, ink) => {
    const { row, hits } = state.current;
    context.globalAlpha = state.pictures ? 0.6 : 0.35;
    context.strokeStyle = ink;
    context.lineWidth = 1.25;
    context.beginPath();
    for (const hit of hits) {
      context.moveTo(toX(row), toY(row));
      context.lineTo(toX(hit.row), toY(hit.row));
    }
    context.stroke();
    context.globalAlpha = 1;
  };

  const drawDot = (context, row, radius, fill) => {
    context.beginPath();
    context.arc(toX(row), toY(row), radius, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = colour("raised");
    context.stroke();
  };

  const drawPerson = (context, row, radius, rim) => {
    if (mapPictures.isThere(row)) {
      mapPictures.draw(context, row, rim, radius / 2.25, 1 + radius / 18);
    } else drawDot(context, row, radius, rim);
  };

  const drawCross = (context, ink) => {
    const [x, y] = [size.width / 2, size.height / 2];
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
    context.stroke();
  };

  // Dark on light dashes, seen on points of any colour.
  const drawOutline = (context, ink) => {
    const path = new Path2D();
    for (const corner of state.outline) path.lineTo(...corner);
    path.closePath();
    context.lineWidth = 2;
    context.strokeStyle = colour("raised");
    context.stroke(path);
    context.strokeStyle = ink;
    context.setLineDash([6, 4]);
    context.stroke(path);
    context.setLineDash([]);
  };

  stage.layers.marks = () => {
    const context = stage.marksContext();
    context.clearRect(0, 0, size.width, size.height);
    const [mark, ink] = [colour("mark"), colour("ink")];
    const { current, pointed, aiming, outline } = state;
    drawLines(context, ink);
    for (const hit of current.hits.toReversed()) drawPerson(context, hit.row, 4.5, ink);
    drawPerson(context, current.row, 7, mark);
    if (pointed !== null) {
      drawPerson(context, pointed, 6, pointed === current.row ? mark : colour("link"));
    }
    if (outline) drawOutline(context, ink);
    else if (aiming) drawCross(context, ink);
  };

  return { colourBy };
})();
