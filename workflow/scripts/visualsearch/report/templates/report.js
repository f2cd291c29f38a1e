// The large view: a crop's whole picture with its box, and steps to its neighbours.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const part = (name) => document.getElementById(`large-${name}`);
  const views = read("large-views");
  const dialog = document.getElementById("large");
  theme.bind(document.querySelector("button.theme"));
  let pictures = null;
  let query = 0;
  let item = 0;

  const show = (toQuery, toItem) => {
    [query, item] = [toQuery, toItem];
    const view = views[query][item];
    // Megabytes of text: read when the first picture is opened.
    pictures ??= read("pictures");
    const picture = pictures[view.picture];
    const [x, y, width, height] = view.box;
    const stage = dialog.querySelector(".stage");
    stage.style.setProperty("--ratio", picture.width / picture.height);
    part("picture").src = picture.url;
    part("picture").alt = `Whole picture. ${view.text}`;
    part("boxes").setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
    for (const rect of part("boxes").children) {
      for (const [name, value] of Object.entries({ x, y, width, height })) {
        rect.setAttribute(name, value);
      }
    }
    part("heading").textContent = view.heading;
    part("facts").replaceChildren(
      ...view.facts.map(([term, value]) => elements.fact(term, value)),
      ...view.links.map(([term, text, url]) => elements.fact(term, elements.link(text, url))),
    );
    part("labels").replaceChildren(
      ...view.marks.map(elements.warning),
      ...view.labels.map((label) => elements.chip(...label)),
    );
    part("back").setAttribute("aria-disabled", item === 0);
    part("next").setAttribute("aria-disabled", item === views[query].length - 1);
  };

  const step = (by) => {
    const next = item + by;
    if (next >= 0 && next < views[query].length) show(query, next);
  };

  const crops = new Map();
  for (const crop of document.querySelectorAll("button.crop")) {
    const place = [Number(crop.dataset.query), Number(crop.dataset.item)];
    crops.set(place.join(), crop);
    crop.addEventListener("click", () => {
      show(...place);
      dialog.showModal();
    });
  }

  // On the document: a click on the picture takes the focus out of the dialog.
  document.addEventListener("keydown", (event) => {
    if (!dialog.open || event.altKey || event.ctrlKey || event.metaKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) {
      step(by);
      event.preventDefault();
    }
  });
  part("back").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  // The reader goes on from the crop seen last, which need not be the one opened first.
  dialog.addEventListener("close", () => crops.get([query, item].join()).focus());
})();
