// The large view: a crop's whole picture with its box, and steps to its neighbours.
const largeView = (() => {
  const part = (name) => document.getElementById(`large-${name}`);
  const dialog = document.getElementById("large");
  const { views, crops } = galleries;
  let query = 0;
  let item = 0;

  // The next place that the filters leave; undefined at either end.
  const beside = (by) => {
    for (let place = item + by; place >= 0 && place < views[query].length; place += by) {
      if (!galleries.isHidden(query, place)) return place;
    }
    return undefined;
  };

  const factsOf = (view, others) => [
    ...view.facts.map(([term, value]) => elements.fact(term, value)),
    ...(others.length ? [elements.fact("others found", `${others.length}, drawn faintly`)] : []),
    ...view.links.map(([term, text, url]) => elements.fact(term, elements.link(text, url))),
  ];

  const showPerson = (person) => {
    part("person").hidden = person === null;
    if (person === null) return;
    part("copy").dataset.copy = person;
    const search = part("search");
    if (search) search.href = `${search.dataset.page}#person=${person}`;
  };

  const show = (toQuery, toItem) => {
    [query, item] = [toQuery, toItem];
    const view = views[query][item];
    const picture = galleries.pictureOf(view);
    const others = galleries.othersOf(view);
    part("stage").style.setProperty("--ratio", picture.width / picture.height);
    part("picture").src = picture.url;
    part("picture").alt = `Whole picture. ${view.text}`;
    boxes.draw(part("boxes"), picture, view.box, others);
    part("heading").textContent = view.heading;
    part("facts").replaceChildren(...factsOf(view, others));
    part("labels").replaceChildren(
      ...view.marks.map(elements.warning),
      ...view.labels.map((label) => elements.chip(...label)),
    );
    showPerson(view.person);
    part("back").setAttribute("aria-disabled", beside(-1) === undefined);
    part("next").setAttribute("aria-disabled", beside(1) === undefined);
  };

  const step = (by) => {
    const place = beside(by);
    if (place !== undefined) show(query, place);
  };

  const bind = () => {
    galleries.each((view, crop, toQuery, toItem) => {
      crop.addEventListener("click", () => {
        show(toQuery, toItem);
        dialog.showModal();
        // The focus must not scroll the picture out of a low window.
        part("close").focus({ preventScroll: true });
        dialog.scrollTop = 0;
      });
    });
    leafing.bind(dialog, part, step);
    // The reader goes on from the crop seen last, which need not be the one opened first.
    dialog.addEventListener("close", () => crops[query][item].focus());
  };

  return { bind };
})();
