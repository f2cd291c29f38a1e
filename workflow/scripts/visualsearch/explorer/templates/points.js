// Many points at once: painted pixel by pixel, and found again through a grid.
const points = (() => {
  const SPAN = 65535;
  const CELLS = 128;

  // nearest(x, y, radius): the nearest of those that `passes` marks with 1, or null.
  const grid = ({ x, y }, passes) => {
    const count = x.length;
    const cellOf = (value) => Math.floor((value * CELLS) / (SPAN + 1));
    const starts = new Uint32Array(CELLS * CELLS + 1);
    for (let i = 0; i < count; i += 1) starts[cellOf(y[i]) * CELLS + cellOf(x[i]) + 1] += 1;
    for (let i = 1; i < starts.length; i += 1) starts[i] += starts[i - 1];
    const next = starts.slice();
    const rows = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      const cell = cellOf(y[i]) * CELLS + cellOf(x[i]);
      rows[next[cell]] = i;
      next[cell] += 1;
    }

    return (toX, toY, radius) => {
      const inside = (value) => Math.max(0, Math.min(CELLS - 1, cellOf(value)));
      const [left, right] = [inside(toX - radius), inside(toX + radius)];
      const [top, bottom] = [inside(toY - radius), inside(toY + radius)];
      let found = null;
      let least = radius * radius;
      for (let row = top; row <= bottom; row += 1) {
        const end = starts[row * CELLS + right + 1];
        for (let at = starts[row * CELLS + left]; at < end; at += 1) {
          const i = rows[at];
          const distance = (x[i] - toX) ** 2 + (y[i] - toY) ** 2;
          if (passes[i] && distance <= least) {
            found = i;
            least = distance;
          }
        }
      }
      return found;
    };
  };

  // A disc as offsets into the pixels with what each covers, 0 to 256.
  const disc = (diameter, stride) => {
    const radius = diameter / 2;
    const offsets = [];
    const covers = [];
    const reach = Math.ceil(radius);
    for (let dy = -reach; dy <= reach; dy += 1) {
      for (let dx = -reach; dx <= reach; dx += 1) {
        const cover = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(dx, dy)));
        if (cover > 0.04) {
          offsets.push(dy * stride + dx);
          covers.push(cover * 256);
        }
      }
    }
    return { offsets: Int32Array.from(offsets), covers: Float64Array.from(covers) };
  };

  // Pixels of the canvas with a margin on all sides, so that a disc at the rim needs no check.
  const MARGIN = 16;
  const surface = (width, height) => {
    const image = new ImageData(width + 2 * MARGIN, height + 2 * MARGIN);
    return { width, height, image, pixels: new Int32Array(image.data.buffer) };
  };

  // places: x and y. view: {scale, left, top} in pixels. classes: of each point, into `palette`
  // of [red, green, blue]. levels: of each point, into `opacities`; those of a higher level lie above.
  const paint = (context, { width, height, image, pixels }, scene) => {
    const { places, view, classes, palette, paper, levels, diameter, opacities } = scene;
    const { x, y } = places;
    const { scale, left, top } = view;
    const stride = width + 2 * MARGIN;
    const { offsets, covers } = disc(diameter, stride);
    pixels.fill(0xff000000 | (paper[2] << 16) | (paper[1] << 8) | paper[0]);

    const layer = (strength, level) => {
      // What each class adds to each pixel of the disc: red with blue, and green.
      const size = offsets.length;
      const lets = Int32Array.from(covers, (cover) => 256 - Math.round(cover * strength));
      const redBlue = new Int32Array(palette.length * size);
      const green = new Int32Array(palette.length * size);
      palette.forEach(([r, g, b], index) => {
        for (let k = 0; k < size; k += 1) {
          redBlue[index * size + k] = Math.imul((b << 16) | r, 256 - lets[k]);
          green[index * size + k] = g * (256 - lets[k]);
        }
      });
      for (let i = 0; i < x.length; i += 1) {
        const atX = Math.round(x[i] * scale + left);
        const atY = Math.round(y[i] * scale + top);
        const out = atX < 0 || atY < 0 || atX >= width || atY >= height;
        if (out || levels[i] !== level) continue;
        const base = (atY + MARGIN) * stride + atX + MARGIN;
        const own = classes[i] * size;
        for (let k = 0; k < size; k += 1) {
          const at = base + offsets[k];
          const old = pixels[at];
          const rb = (redBlue[own + k] + Math.imul(old & 0xff00ff, lets[k])) >>> 8;
          const g = green[own + k] + Math.imul((old >>> 8) & 0xff, lets[k]);
          pixels[at] = 0xff000000 | (rb & 0xff00ff) | (g & 0xff00);
        }
      }
    };

    opacities.forEach((opacity, level) => {
      if (levels.includes(level)) layer(opacity, level);
    });
    context.putImageData(image, -MARGIN, -MARGIN);
  };

  return { SPAN, grid, surface, paint };
})();
