// The persons of the search set: what the files say of them. A row is a person's number in the set.
const persons = (() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const count = facts.persons;
  const NOBODY = 0xffffffff;
  const SAME_IMAGE = 1;
  const NEAR_DUPLICATE = 2;

  // Filled by `open`, one value for each person. codes: for each kind of label, 0 for none.
  const set = { height: null, codes: [], score: null, wide: null, high: null };
  const neighboursSeen = new Map();

  const open = async () => {
    const buffer = chunks.bytes(await chunks.data("persons"));
    let place = 0;
    const next = (type) => {
      const section = new type(buffer, place, count);
      place += section.byteLength;
      return section;
    };
    set.height = next(Uint16Array);
    set.codes = facts.labels.map(() => next(Uint16Array));
    set.score = next(Uint8Array);
    set.wide = next(Uint8Array);
    set.high = next(Uint8Array);
  };

  // Places on the map, 0 to 65535.
  const places = async () => {
    const buffer = chunks.bytes(await chunks.data("map"));
    return { x: new Uint16Array(buffer, 0, count), y: new Uint16Array(buffer, 2 * count, count) };
  };

  const part = (kind, row, size) =>
    `${kind}-${String(Math.floor(row / size)).padStart(4, "0")}`;

  // [{row, rank, similarity, sameImage, nearDuplicate}], nearest first.
  const neighbours = async (row) => {
    const size = facts.chunk.neighbours;
    const name = part("neighbours", row, size);
    if (!neighboursSeen.has(name)) {
      neighboursSeen.set(name, chunks.bytes(await chunks.data(name)));
    }
    const buffer = neighboursSeen.get(name);
    const each = facts.neighbours;
    const inChunk = Math.min(size, count - row + (row % size));
    const start = (row % size) * each;
    const rows = new Uint32Array(buffer, start * 4, each);
    const similarities = new Int16Array(buffer, inChunk * each * 4 + start * 2, each);
    const flags = new Uint8Array(buffer, inChunk * each * 6 + start, each);
    const found = [];
    for (let i = 0; i < each && rows[i] !== NOBODY; i += 1) {
      found.push({
        row: rows[i],
        rank: i + 1,
        similarity: similarities[i] / 1000,
        sameImage: (flags[i] & SAME_IMAGE) > 0,
        nearDuplicate: (flags[i] & NEAR_DUPLICATE) > 0,
      });
    }
    return found;
  };

  const readDetails = (row) => chunks.data(part("details", row, facts.chunk.details));

  const details = async (row) => {
    const list = await readDetails(row);
    const [id, image, name, score, box, license, source, file, width, height] =
      list[row % facts.chunk.details];
    return {
      id,
      image,
      name,
      score,
      box,
      license: facts.licenses[license] ?? null,
      source,
      file: file || name,
      width,
      height,
    };
  };

  // null where there is no such person. Rows are in the order of their ids.
  const rowOf = async (id) => {
    const chunk = facts.first_ids.findLastIndex((first) => first <= id);
    if (chunk < 0) return null;
    const start = chunk * facts.chunk.details;
    const at = (await readDetails(start)).findIndex((entry) => entry[0] === id);
    return at < 0 ? null : start + at;
  };

  // [{kind, value, code}] of those that are known.
  const labels = (row) =>
    facts.labels.flatMap(({ kind, values }, i) => {
      const code = set.codes[i][row];
      return code > 0 ? [{ kind, value: values[code - 1], code }] : [];
    });

  // Of the whole set, in hundredths.
  const lowestScore = () => set.score.reduce((least, value) => Math.min(least, value), 100);
  const scoreText = (row) => words.decimals(set.score[row] / 100);

  return {
    facts,
    count,
    set,
    open,
    places,
    neighbours,
    details,
    rowOf,
    labels,
    lowestScore,
    scoreText,
  };
})();
