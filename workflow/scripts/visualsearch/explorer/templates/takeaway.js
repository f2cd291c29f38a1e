// The selection as files: a table, and a data set in COCO's format.
const takeaway = (() => {
  const { facts } = persons;

  // say: called with what is going on, as many files may have to be read.
  const read = (rows, say) => {
    say(`Collecting ${words.count(rows.length, facts.things)} …`);
    return Promise.all(rows.map(persons.details));
  };

  // As in core/text.py: where a spreadsheet may start a formula, at the start of a cell and after
  // `;` or a line end, text gets a quote in front.
  const FORMULA = /^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\r\n])(?=["\s]*[=+\-@＝＋－＠])/g;
  const cell = (value) => {
    if (typeof value === "number") return String(value);
    return `"${value.replace(FORMULA, "'").replaceAll('"', '""')}"`;
  };

  const COLUMNS = {
    person_id: ({ id }) => id,
    image_id: ({ image }) => image,
    file: ({ file }) => file,
    score: ({ score }) => score,
    x: ({ box }) => box[0],
    y: ({ box }) => box[1],
    w: ({ box }) => box[2],
    h: ({ box }) => box[3],
    license: ({ license }) => license?.name ?? "",
    license_url: ({ license }) => license?.url ?? "",
    source_url: ({ source }) => source,
  };

  // As the report's hits.csv: the mark of UTF-8 for Excel, text in quotes, else as in RFC 4180.
  const csv = async (rows, say) => {
    const lines = (await read(rows, say)).map((detail) =>
      Object.values(COLUMNS).map((of) => cell(of(detail))),
    );
    const all = [Object.keys(COLUMNS).map(cell), ...lines].map((line) => `${line.join()}\r\n`);
    return saving.save("selection.csv", "text/csv", `\ufeff${all.join("")}`);
  };

  const isFlickr = (address) => new URL(address).host.includes("flickr");

  const imageOf = ({ image, file, width, height, license, source }) => {
    const place = facts.licenses.indexOf(license);
    return {
      id: image,
      file_name: file,
      width,
      height,
      ...(place >= 0 && { license: place + 1 }),
      ...(source && { [isFlickr(source) ? "flickr_url" : "coco_url"]: source }),
    };
  };

  const annotationOf = ({ id, image, score, box }, place) => ({
    id: place + 1,
    image_id: image,
    category_id: 1,
    bbox: box,
    area: Number((box[2] * box[3]).toFixed(2)),
    iscrowd: 0,
    // Without the key pycocotools draws nothing.
    segmentation: [],
    score,
    person_id: id,
  });

  // https://cocodataset.org/#format-data, "Object Detection".
  const coco = async (rows, say) => {
    const details = await read(rows, say);
    const images = new Map(details.map((detail) => [detail.image, imageOf(detail)]));
    const found = {
      info: { description: `${facts.title}: a selection, found by a detector` },
      licenses: facts.licenses.map(({ name, url }, place) => ({ id: place + 1, name, url })),
      categories: [{ id: 1, name: facts.category, supercategory: facts.category }],
      images: [...images.values()],
      annotations: details.map(annotationOf),
    };
    // ASCII, as pycocotools opens files in the machine's own encoding.
    const text = JSON.stringify(found).replace(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    return saving.save("selection.json", "application/json", `${text}\n`);
  };

  return { csv, coco };
})();
