// A picture that the reader chooses or drops: read here, and searched for here.
const ownPicture = (() => {
  const { facts } = ownNetworks;
  const [, things] = persons.facts.things;
  const part = (name) => document.getElementById(name);
  // A picture with more pixels is made smaller, as its pixels take memory several times.
  const MOST_PIXELS = 50e6;
  // How many pictures were opened, and how many boxes searched for: what was begun before the last
  // of them is forgotten.
  let opened = 0;
  let searched = 0;
  // Kept when the networks have the picture.
  let taken = null;

  const say = (text) => {
    part("own-said").textContent = text;
  };

  const seconds = (since) => `${words.decimals((performance.now() - since) / 1000, 1)} s`;

  // Upright, on white where it is transparent, and with the colours that the file holds: the run
  // ignores colour profiles too.
  const decoded = async (file) => {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, {
        imageOrientation: "from-image",
        colorSpaceConversion: "none",
      });
    } catch (error) {
      throw new Error(
        `“${file.name}” is not a picture that this browser can read. It reads JPEG, PNG and WebP.`,
        { cause: error },
      );
    }
    let { width, height } = bitmap;
    while (width * height > MOST_PIXELS) {
      width = Math.ceil(width / 2);
      height = Math.ceil(height / 2);
    }
    const canvas = elements.make("canvas", { width, height });
    const drawing = canvas.getContext("2d", { willReadFrequently: true });
    drawing.imageSmoothingQuality = "high";
    drawing.fillStyle = "white";
    drawing.fillRect(0, 0, width, height);
    drawing.drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    return drawing.getImageData(0, 0, width, height);
  };

  const search = async (box, before = "") => {
    searched += 1;
    const own = searched;
    try {
      await taken;
      const since = performance.now();
      const vector = await ownNetworks.describe(box);
      if (own !== searched) return;
      await ownHits.search(vector);
      if (own !== searched) return;
      say(`${before}Searched for the box in ${seconds(since)}.`);
    } catch (error) {
      if (own === searched) say(error.message);
    }
  };

  // What the detector finds in the picture that the networks have. isCurrent: whether it still is.
  const offer = async (name, isCurrent) => {
    const before = searched;
    const since = performance.now();
    if (facts.find) say(`Looking for ${things}.`);
    const found = await ownNetworks.find();
    if (!isCurrent()) return;
    // The reader may have drawn a box meanwhile.
    const isFirst = before === searched;
    ownBoxes.offer(found, isFirst);
    if (!isFirst) return;
    if (found.length) {
      const count = words.count(found.length, persons.facts.things);
      await search(found[0].box, `Found ${count} in ${seconds(since)}. `);
    } else {
      const nobody = facts.find ? `No ${things} were found in “${name}”. Draw` : "Draw";
      say(`${nobody} a box on the picture, or type one in pixels.`);
    }
  };

  const open = async (file) => {
    opened += 1;
    searched += 1;
    const own = opened;
    const isCurrent = () => own === opened;
    try {
      say(`Reading “${file.name}”.`);
      const image = await decoded(file);
      if (!isCurrent()) return;
      part("own-work").hidden = false;
      ownBoxes.show(image);
      ownHits.clear();
      if (!ownNetworks.isReady()) {
        say(`Loading the networks (${facts.megabytes} MB). This happens once.`);
      }
      taken = ownNetworks.take(image);
      await taken;
      if (isCurrent()) await offer(file.name, isCurrent);
    } catch (error) {
      if (isCurrent()) say(error.message);
    }
  };

  const take = (files) => {
    if (files.length > 1) say(`Give one picture at a time; these are ${files.length}.`);
    else if (files.length) open(files[0]);
  };

  const drop = (event) => {
    document.documentElement.classList.remove("dropping");
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  };

  const over = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    ownNetworks.warm();
    document.documentElement.classList.add("dropping");
  };

  // As of a hit in the gallery: search, point.
  const bind = (listeners) => {
    ownHits.bind(listeners);
    ownBoxes.bind({ search, complain: say });
    const input = part("own-file");
    input.disabled = false;
    input.addEventListener("click", ownNetworks.warm);
    input.addEventListener("change", () => {
      take(input.files);
      // The same file may be chosen again.
      input.value = "";
    });
    addEventListener("dragover", over);
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.documentElement.classList.remove("dropping");
    });
    addEventListener("drop", drop);
  };

  // The filters changed.
  const refresh = () => ownHits.refresh().catch(({ message }) => say(message));

  return { bind, refresh };
})();
