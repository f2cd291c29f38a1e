// What the galleries hold: for each query itself and its hits, each with its crop on the page.
const galleries = (() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const views = read("large-views");
  const crops = views.map(() => []);
  for (const crop of document.querySelectorAll("button.crop")) {
    crops[crop.dataset.query][crop.dataset.item] = crop;
  }

  // Megabytes of text: read when the first picture is wanted.
  let pictures = null;
  const pictureOf = (view) => {
    pictures ??= read("pictures");
    return pictures[view.picture];
  };

  const othersOf = (view) =>
    pictureOf(view).persons.flatMap(([person, box]) => (person === view.person ? [] : [box]));

  // The list element of a hit; null for a query.
  const hitOf = (query, item) => crops[query][item].closest(".hit");
  const isHidden = (query, item) => hitOf(query, item)?.hidden ?? false;

  // task: called with each view, its crop and its place.
  const each = (task) => {
    for (const [query, items] of views.entries()) {
      for (const [item, view] of items.entries()) task(view, crops[query][item], query, item);
    }
  };

  // Browsers leave a hit that the keyboard reaches half outside, where a row scrolls sideways.
  const keepInSight = () => {
    document.addEventListener("focusin", ({ target }) => {
      if (!target.matches(":focus-visible")) return;
      target.closest(".hit")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  };

  return { read, views, crops, pictureOf, othersOf, hitOf, isHidden, each, keepInSight };
})();
