// Which part of the map is in sight. Lengths are CSS pixels.
const view = (() => {
  // Left free around the map: room for half a point, or, where few are pictures, for half of the
  // largest of these.
  const EDGE = persons.count > 200 ? 26 : 54;
  const MOST_ZOOM = 80;
  const MOST_SCALE = 0.05;

  const size = { width: 0, height: 0, ratio: 1 };
  // A place p of the map lies at p * scale + left or top.
  const at = { scale: 1, left: 0, top: 0 };
  let places = { x: [], y: [] };
  // The part of the map that is not empty.
  let extent = { left: 0, top: 0, right: points.SPAN, bottom: points.SPAN };

  const toX = (row) => places.x[row] * at.scale + at.left;
  const toY = (row) => places.y[row] * at.scale + at.top;

  const isSeen = (row) => {
    const [x, y] = [toX(row), toY(row)];
    return x > 0 && y > 0 && x < size.width && y < size.height;
  };

  // The scale at which all of it is seen. One person alone has no extent.
  const fitting = () => {
    const across = (size.width - 2 * EDGE) / (extent.right - extent.left);
    const down = (size.height - 2 * EDGE) / (extent.bottom - extent.top);
    return Math.min(across, down, MOST_SCALE);
  };
  const zoomed = () => at.scale / fitting();

  const fit = () => {
    at.scale = fitting();
    at.left = (size.width - (extent.left + extent.right) * at.scale) / 2;
    at.top = (size.height - (extent.top + extent.bottom) * at.scale) / 2;
  };

  // The middle of the view stays on the map.
  const keepInside = () => {
    const within = (offset, middle, low, high) =>
      Math.max(middle - high * at.scale, Math.min(middle - low * at.scale, offset));
    at.left = within(at.left, size.width / 2, extent.left, extent.right);
    at.top = within(at.top, size.height / 2, extent.top, extent.bottom);
  };

  const pan = (x, y) => {
    at.left += x;
    at.top += y;
    keepInside();
  };

  // What lies at x, y stays there.
  const zoom = (by, x = size.width / 2, y = size.height / 2) => {
    const least = fitting();
    const scale = Math.max(least, Math.min(least * MOST_ZOOM, at.scale * by));
    at.left = x - ((x - at.left) * scale) / at.scale;
    at.top = y - ((y - at.top) * scale) / at.scale;
    at.scale = scale;
    if (scale === least) fit();
    else keepInside();
  };

  // What was in the middle stays there.
  const resize = (width, height) => {
    const isFirst = size.width === 0;
    const times = isFirst ? 1 : zoomed();
    const middleX = (size.width / 2 - at.left) / at.scale;
    const middleY = (size.height / 2 - at.top) / at.scale;
    Object.assign(size, { width, height, ratio: Math.min(2, window.devicePixelRatio || 1) });
    fit();
    if (times <= 1) return;
    at.scale *= times;
    at.left = width / 2 - middleX * at.scale;
    at.top = height / 2 - middleY * at.scale;
    keepInside();
  };

  const open = (given) => {
    places = given;
    const least = (values) => values.reduce((a, b) => Math.min(a, b));
    const most = (values) => values.reduce((a, b) => Math.max(a, b));
    const { x, y } = places;
    extent = { left: least(x), top: least(y), right: most(x), bottom: most(y) };
  };

  return { size, at, toX, toY, isSeen, zoomed, fit, pan, zoom, resize, open };
})();
