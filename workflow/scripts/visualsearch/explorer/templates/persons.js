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
  // An id is image_id * 1000 and the person's number in the image.
  const A_PICTURE = 1000;
  const imageOf = (id) => Math.floor(id / A_PICTURE);

  // What is known of a picture, by its number among those that show persons. file: where it is
  // beneath the user's folder.
  const fromEntry = ([image, name, many, license, source, width, height, file = name], number) => ({
    picture: number,
    image,
    name,
    many,
    license: facts.licenses[license] ?? null,
    source,
    width,
    height,
    file,
  });
  const picture = async (number) => {
    const list = await chunks.data(part("pictures", number, facts.chunk.pictures));
    return fromEntry(list[number % facts.chunk.pictures], number);
  };

  // Of a row's file of details: each entry, and the number of its picture. Counted once a file.
  const numberedSeen = new Map();
  const numbered = async (row) => {
    const list = await readDetails(row);
    if (!numberedSeen.has(list)) {
      let number = facts.first_pictures[Math.floor(row / facts.chunk.details)];
      const entries = list.map((entry, i) => {
        if (i > 0 && imageOf(entry[0]) !== imageOf(list[i - 1][0])) number += 1;
        return { entry, number };
      });
      numberedSeen.set(list, entries);
    }
    return numberedSeen.get(list);
  };

  const details = async (row) => {
    const { entry, number } = (await numbered(row))[row % facts.chunk.details];
    const [id, score, box] = entry;
    return { ...(await picture(number)), id, score, box };
  };

  // [{row, id, box}] of all persons here that a picture shows, given one of them.
  const inPicture = async (row) => {
    const found = [];
    const own = imageOf((await readDetails(row))[row % facts.chunk.details][0]);
    const add = async (other, way) => {
      if (other < 0 || other >= count) return;
      const [id, , box] = (await readDetails(other))[other % facts.chunk.details];
      if (imageOf(id) !== own) return;
      found.push({ row: other, id, box });
      await add(other + way, way);
    };
    await add(row, -1);
    await add(row + 1, 1);
    return found.toSorted((a, b) => a.row - b.row);
  };

  // {row, id} of the first person with this id or a higher one; null where there is none.
  const firstFrom = async (id) => {
    const chunk = Math.max(0, facts.first_ids.findLastIndex((first) => first <= id));
    const start = chunk * facts.chunk.details;
    const list = await readDetails(start);
    const at = list.findIndex((entry) => entry[0] >= id);
    const row = start + (at < 0 ? list.length : at);
    if (row >= count) return null;
    return { row, id: at < 0 ? facts.first_ids[chunk + 1] : list[at][0] };
  };

  // null where there is no such person. Rows are in the order of their ids.
  const rowOf = async (id) => {
    const first = await firstFrom(id);
    return first?.id === id ? first.row : null;
  };

  // The first person of a picture; null where there is none.
  const rowOfImage = async (image) => {
    const first = await firstFrom(image * A_PICTURE);
    return first && imageOf(first.id) === image ? first.row : null;
  };

  // All pictures in order: {image, name, row: its first person, many: its persons}. Read once.
  let all = null;
  const pictures = async () => {
    if (all) return all;
    const starts = [];
    for (let at = 0; at < facts.pictures; at += facts.chunk.pictures) starts.push(at);
    const names = starts.map((at) => part("pictures", at, facts.chunk.pictures));
    const lists = await Promise.all(names.map((name) => chunks.data(name)));
    let row = 0;
    all = lists.flat().map(([image, name, many]) => {
      const one = { image, name, row, many };
      row += many;
      return one;
    });
    return all;
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
    picture,
    pictures,
    inPicture,
    rowOf,
    rowOfImage,
    labels,
    lowestScore,
    scoreText,
  };
})();
