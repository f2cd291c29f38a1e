// Persons' pictures, each cut out of a sheet of many.
const thumbnails = (() => {
  const { persons: each, columns, cell } = persons.facts.sheet;
  const pad = (number) => String(number).padStart(4, "0");

  const sheetOf = (row) => Math.floor(row / each);
  const sheet = (row) => chunks.picture(pad(sheetOf(row)));

  // Where on its sheet: [left, top, width, height].
  const place = (row) => {
    const at = row % each;
    return [
      (at % columns) * cell[0],
      Math.floor(at / columns) * cell[1],
      persons.set.wide[row],
      persons.set.high[row],
    ];
  };

  const make = () => elements.make("canvas", { "aria-hidden": "true", width: 1, height: 1 });

  // The canvas may be given to another person while the sheet is on its way: the last one wins.
  const draw = async (canvas, row) => {
    canvas.dataset.row = row;
    // Nobody else's picture beside this person's numbers while it loads.
    canvas.width = 1;
    const image = await sheet(row);
    if (canvas.dataset.row !== String(row)) return;
    const [left, top, width, height] = place(row);
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
  };

  return { make, draw, sheet, sheetOf, place };
})();
