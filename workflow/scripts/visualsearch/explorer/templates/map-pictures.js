// Pictures on the map: they stand for points where few persons are in sight.
const mapPictures = (() => {
  const { state } = stage;
  const { size, toX, toY, isSeen } = view;
  // Few enough, and from few sheets.
  const MOST_PICTURES = 200;
  const MOST_SHEETS = 24;
  const sheets = new Map();

  // The persons in sight if they are to be pictures, with the height of these; else null.
  const choose = () => {
    const rows = [];
    const wantedSheets = new Set();
    for (let row = 0; row < persons.count; row += 1) {
      if (!filters.passes[row] || !isSeen(row)) continue;
      rows.push(row);
      wantedSheets.add(thumbnails.sheetOf(row));
      if (rows.length > MOST_PICTURES || wantedSheets.size > MOST_SHEETS) return null;
    }
    const each = Math.sqrt((size.width * size.height) / Math.max(1, rows.length));
    return { rows, height: Math.max(20, Math.min(72, each * 0.75)) };
  };

  const load = (row) => {
    const number = thumbnails.sheetOf(row);
    if (sheets.has(number)) return;
    sheets.set(number, null);
    thumbnails.sheet(row).then(
      (image) => {
        sheets.set(number, image);
        stage.draw();
      },
      // A point is there in its place; the gallery says what is missing.
      () => {},
    );
  };

  const isThere = (row) => state.pictures !== null && Boolean(sheets.get(thumbnails.sheetOf(row)));

  const frameOf = (row, larger) => {
    const [, , wide, high] = thumbnails.place(row);
    const scale = (larger * state.pictures.height) / Math.max(wide, high, 1);
    const [width, height] = [wide * scale, high * scale];
    return [toX(row) - width / 2, toY(row) - height / 2, width, height];
  };

  // rim: its colour. larger: than the others are.
  const draw = (context, row, rim, rimWidth, larger = 1) => {
    const image = sheets.get(thumbnails.sheetOf(row));
    if (!image) return;
    const frame = frameOf(row, larger);
    context.lineWidth = rimWidth * 2;
    context.strokeStyle = rim;
    context.strokeRect(...frame);
    context.drawImage(image, ...thumbnails.place(row), ...frame);
  };

  return { choose, load, isThere, draw };
})();
