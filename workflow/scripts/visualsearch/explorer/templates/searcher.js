// Exact search among all vectors, in a thread of its own. This function is the whole worker: it is
// sent there as text, as a page opened from disk may load no worker from a file. So it uses nothing
// from around it.
const searcher = (scope) => {
  const given = { count: 0, width: 0 };
  let codes = null; // of everybody, one after another
  let lengths = null; // what makes each of them a unit vector
  let pictures = null; // which picture each is of, by any number that others do not have

  const open = ({ count, scales, alphabet, highest, together, characters, perFile }) => {
    Object.assign(given, { count, scales, highest, together, characters, perFile });
    given.width = scales.length;
    given.digits = new Uint8Array(128);
    for (let i = 0; i < alphabet.length; i += 1) given.digits[alphabet.charCodeAt(i)] = i;
    given.base = alphabet.length;
    codes = new Int16Array(count * given.width);
    lengths = new Float32Array(count);
    pictures = new Int32Array(count);
  };

  // As many characters as make a number, which as many codes are the digits of.
  const unpack = (text, into) => {
    const { digits, base, highest, together, characters } = given;
    const levels = 2 * highest + 1;
    let place = 0;
    for (let at = 0; at < text.length; at += characters) {
      let number = 0;
      for (let i = 0; i < characters; i += 1) number = number * base + digits[text.charCodeAt(at + i)];
      for (let i = together - 1; i >= 0; i -= 1) {
        const rest = Math.floor(number / levels);
        if (place + i < into.length) into[place + i] = number - rest * levels - highest;
        number = rest;
      }
      place += together;
    }
  };

  const part = ({ file, starts, text }) => {
    const { width, scales, perFile, count } = given;
    const first = file * perFile;
    const last = Math.min(count, first + perFile);
    unpack(text, codes.subarray(first * width, last * width));
    const bits = atob(starts);
    let picture = first - 1;
    for (let row = first; row < last; row += 1) {
      const bit = row - first;
      if ((bits.charCodeAt(bit >> 3) >> (7 - (bit & 7))) & 1) picture = row;
      pictures[row] = picture;
      let sum = 0;
      for (let i = 0, at = row * width; i < width; i += 1) sum += (codes[at + i] * scales[i]) ** 2;
      lengths[row] = sum > 0 ? 1 / Math.sqrt(sum) : 0;
    }
  };

  // A picture may begin in one file and go on in the next, which knows no start of it.
  const join = () => {
    for (let first = given.perFile; first < given.count; first += given.perFile) {
      const stray = first - 1;
      for (let row = first; row < given.count && pictures[row] === stray; row += 1) {
        pictures[row] = pictures[stray];
      }
    }
  };

  const vectorOf = (row) => {
    const { width, scales } = given;
    const made = new Float64Array(width);
    const at = row * width;
    for (let i = 0; i < width; i += 1) made[i] = codes[at + i] * scales[i] * lengths[row];
    return made;
  };

  // parts: [{row or vector, weight}]. The sum, with length 1 and in units of the codes.
  const sumOf = (parts) => {
    const { width, scales } = given;
    const sum = new Float64Array(width);
    for (const { row, vector = vectorOf(row), weight } of parts) {
      for (let i = 0; i < width; i += 1) sum[i] += weight * vector[i];
    }
    const length = Math.hypot(...sum) || 1;
    return Float64Array.from(sum, (value, i) => (value / length) * scales[i]);
  };

  const cosine = (sum, row) => {
    const { width } = given;
    const whole = width - (width % 4);
    const at = row * width;
    // Four sums, which a processor adds at the same time.
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let i = 0; i < whole; i += 4) {
      a += sum[i] * codes[at + i];
      b += sum[i + 1] * codes[at + i + 1];
      c += sum[i + 2] * codes[at + i + 2];
      d += sum[i + 3] * codes[at + i + 3];
    }
    for (let i = whole; i < width; i += 1) a += sum[i] * codes[at + i];
    return (a + b + c + d) * lengths[row];
  };

  // By falling cosine, and of equal ones the earlier row first.
  const isBefore = (one, other) =>
    one.similarity > other.similarity ||
    (one.similarity === other.similarity && one.row < other.row);

  // Puts one into a list in order, of at most so many.
  const put = (list, one, most) => {
    if (list.length === most && !isBefore(one, list[most - 1])) return;
    let at = list.length;
    while (at > 0 && isBefore(one, list[at - 1])) at -= 1;
    list.splice(at, 0, one);
    if (list.length > most) list.pop();
  };

  // allowed: 1 for each person that may be found, or null for all. without: rows that may not.
  // withoutPicturesOf: rows whose pictures may not. perPicture: the most of a picture, or null.
  const search = ({ parts, allowed, without, withoutPicturesOf, perPicture, most }) => {
    const sum = sumOf(parts);
    const left = new Set(without);
    const leftPictures = new Set(withoutPicturesOf.map((row) => pictures[row]));
    const best = [];
    let ofPicture = [];
    let picture = -1;
    const close = () => {
      for (const one of ofPicture) put(best, one, most);
      ofPicture = [];
    };
    for (let row = 0; row < given.count; row += 1) {
      if (pictures[row] !== picture) {
        close();
        picture = pictures[row];
      }
      if ((allowed && !allowed[row]) || leftPictures.has(picture) || left.has(row)) continue;
      put(ofPicture, { row, similarity: cosine(sum, row) }, perPicture ?? most);
    }
    close();
    const asked = new Set(parts.flatMap(({ row }) => (row === undefined ? [] : [pictures[row]])));
    for (const one of best) one.sameImage = asked.has(pictures[one.row]);
    return best;
  };

  const tasks = { open, part, join, search };
  scope.addEventListener("message", ({ data: { task, turn, content } }) => {
    scope.postMessage({ turn, answer: tasks[task](content) });
  });
};
