// Which points lie in a shape that was drawn on the map.
const shapes = (() => {
  const rectangle = (left, top, right, bottom) => [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];

  // A line from the point to the right crosses the outline an odd number of times.
  const isInside = (corners, x, y) => {
    let inside = false;
    let [beforeX, beforeY] = corners.at(-1);
    for (const [nextX, nextY] of corners) {
      if (nextY > y !== beforeY > y) {
        const crossing = nextX + ((y - nextY) / (beforeY - nextY)) * (beforeX - nextX);
        if (x < crossing) inside = !inside;
      }
      [beforeX, beforeY] = [nextX, nextY];
    }
    return inside;
  };

  // corners: [[x, y]] of the outline in CSS pixels of the view. 1 for each person that lies in it
  // and passes the filters, with how many these are.
  const within = (corners) => {
    const { toX, toY } = view;
    const { passes } = filters;
    const xs = corners.map(([x]) => x);
    const ys = corners.map(([, y]) => y);
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    const mask = new Uint8Array(persons.count);
    let many = 0;
    for (let row = 0; row < mask.length; row += 1) {
      if (!passes[row]) continue;
      const [x, y] = [toX(row), toY(row)];
      if (x < left || x > right || y < top || y > bottom) continue;
      if (isInside(corners, x, y)) {
        mask[row] = 1;
        many += 1;
      }
    }
    return { mask, many };
  };

  return { rectangle, within };
})();
