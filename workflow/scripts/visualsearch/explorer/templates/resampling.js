// Cuts a box out of a picture and resizes it as embed/crops.py asks Pillow to: other pixels would
// give other vectors. A value differs from Pillow's by one at most, as Pillow resizes the height
// before the width where it takes that for cheaper. It runs in the worker, to which it is sent as
// text; so it uses nothing from around it.
const resampler = () => {
  // Pillow's weights are whole numbers of 1 / 2**22.
  const PRECISION = 22;
  const ONE = 2 ** PRECISION;
  // numpy's boxes are float32.
  const narrow = Math.fround;
  const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

  // For each of `many` places along a line of `length` pixels: the first pixel that counts, and
  // the weights of all that do. The filter is a triangle as wide as a place, or as a pixel if that
  // is wider.
  const taps = (length, from, to, many) => {
    const step = narrow(to - from) / many;
    const reach = Math.max(step, 1);
    return Array.from({ length: many }, (_, place) => {
      const centre = from + (place + 0.5) * step;
      const first = Math.max(0, Math.trunc(centre - reach + 0.5));
      const end = Math.min(length, Math.trunc(centre + reach + 0.5));
      const shares = Array.from({ length: end - first }, (_, i) =>
        Math.max(0, 1 - Math.abs((first + i - centre + 0.5) * (1 / reach))),
      );
      const all = shares.reduce((a, b) => a + b, 0);
      return { first, weights: shares.map((share) => Math.trunc(0.5 + (share / all) * ONE)) };
    });
  };

  // pixels: RGBA of a whole picture. box: corners within it. Returns RGB [high, wide, 3].
  const resize = ({ pixels, width, height }, [left, top, right, bottom], wide, high) => {
    const across = taps(width, left, right, wide);
    const down = taps(height, top, bottom, high);
    const above = down[0].first;
    const last = down[high - 1];
    const rows = last.first + last.weights.length - above;
    const narrowed = new Uint8ClampedArray(rows * wide * 3);
    for (let y = 0; y < rows; y += 1) {
      const line = (above + y) * width * 4;
      across.forEach(({ first, weights }, x) => {
        for (let colour = 0; colour < 3; colour += 1) {
          let sum = ONE / 2;
          let from = line + first * 4 + colour;
          for (const weight of weights) {
            sum += pixels[from] * weight;
            from += 4;
          }
          narrowed[(y * wide + x) * 3 + colour] = sum >> PRECISION;
        }
      });
    }
    const made = new Uint8ClampedArray(high * wide * 3);
    down.forEach(({ first, weights }, y) => {
      for (let x = 0; x < wide * 3; x += 1) {
        let sum = ONE / 2;
        let from = (first - above) * wide * 3 + x;
        for (const weight of weights) {
          sum += narrowed[from] * weight;
          from += wide * 3;
        }
        made[y * wide * 3 + x] = sum >> PRECISION;
      }
    });
    return made;
  };

  // Boxes are corners: left, top, right, bottom. As data/boxes.py.
  const clip = (box, width, height) => {
    const [left, top] = [clamp(box[0], 0, width - 1), clamp(box[1], 0, height - 1)];
    const right = clamp(box[2], left + 1, width);
    const bottom = clamp(box[3], top + 1, height);
    return [left, top, right, bottom].map(narrow);
  };
  const sidesOf = (box) => [narrow(box[2] - box[0]), narrow(box[3] - box[1])];
  const moved = (box, [x, y]) =>
    [box[0] - x, box[1] - y, box[2] + x, box[3] + y].map(narrow);
  const grown = (box, margin) =>
    moved(
      box,
      sidesOf(box).map((side) => narrow(side * narrow(margin))),
    );
  const grownToAspect = (box, aspect) => {
    const [wide, high] = sidesOf(box);
    const wanted = [
      Math.max(wide, narrow(high * narrow(aspect))),
      Math.max(high, narrow(wide * narrow(1 / aspect))),
    ];
    return moved(box, [
      narrow(wanted[0] - wide) / 2,
      narrow(wanted[1] - high) / 2,
    ]);
  };
  // To the nearest whole number, and from the middle to the even one.
  const rounded = (value) => {
    const low = Math.floor(value);
    return value - low === 0.5 ? low + (low % 2) : Math.round(value);
  };

  // how: {size: [height, width], fit, margin, fill: RGB}. Returns RGB [height, width, 3].
  const crop = (picture, corners, how) => {
    const [high, wide] = how.size;
    const { width, height } = picture;
    const box = clip(grown(corners.map(narrow), how.margin), width, height);
    const window = how.fit === "stretch" ? box : grownToAspect(box, wide / high);
    const visible = how.fit === "surroundings" ? clip(window, width, height) : box;
    const sides = sidesOf(window);
    // Where in the crop the visible part goes.
    const [left, top, right, bottom] = visible.map((edge, i) => {
      const share = narrow(narrow(edge - window[i % 2]) / sides[i % 2]);
      return rounded(share * (i % 2 ? high : wide));
    });
    const [shownWide, shownHigh] = [
      Math.max(right, left + 1) - left,
      Math.max(bottom, top + 1) - top,
    ];
    const shown = resize(picture, visible, shownWide, shownHigh);
    if (shownWide === wide && shownHigh === high) return shown;
    const made = new Uint8ClampedArray(high * wide * 3);
    for (let i = 0; i < made.length; i += 1) made[i] = how.fill[i % 3];
    for (let y = Math.max(0, -top); y < Math.min(shownHigh, high - top); y += 1) {
      for (let x = Math.max(0, -left); x < Math.min(shownWide, wide - left); x += 1) {
        for (let colour = 0; colour < 3; colour += 1) {
          made[((top + y) * wide + left + x) * 3 + colour] =
            shown[(y * shownWide + x) * 3 + colour];
        }
      }
    }
    return made;
  };

  return { resize, crop };
};
