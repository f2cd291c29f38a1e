// What is searched for: one person, or several examples and counter-examples.
const query = (() => {
  const { facts } = persons;
  const { make } = elements;
  const part = (name) => document.getElementById(name);
  // Of Rocchio's rule (1971): the mean of the examples less a share of the mean of the
  // counter-examples. This share is gamma / beta = 0.25 / 0.75, as in Salton and Buckley (1990).
  const COUNTER_SHARE = 1 / 3;
  const most = Math.max(0, Math.min(facts.neighbours, persons.count - 1));

  const isAlone = ({ like, unlike }) => like.length === 1 && unlike.length === 0;
  // Whether the stored neighbours are the answer.
  const isStored = (asked) => isAlone(asked) && !filters.state.active;

  const weighted = ({ like, unlike }) => [
    ...like.map(({ row }) => ({ row, weight: 1 / like.length })),
    ...unlike.map(({ row }) => ({ row, weight: -COUNTER_SHARE / unlike.length })),
  ];

  // What the stored neighbours say of near-duplicates holds in a search for the same person.
  const withMarks = async (hits, row) => {
    const stored = await persons.neighbours(row);
    const marked = new Set(stored.filter((hit) => hit.nearDuplicate).map((hit) => hit.row));
    for (const hit of hits) hit.nearDuplicate = marked.has(hit.row);
    return hits;
  };

  // asked: {like, unlike}, each [{row}]. The hits as `persons.neighbours` returns them. The rules
  // of the run hold; only within one chosen picture all of its persons may be found.
  const hits = async (asked) => {
    const [{ row }] = asked.like;
    if (isStored(asked)) return persons.neighbours(row);
    const { passing, active, inOnePicture } = filters.state;
    if (passing === 0) return [];
    const found = await searching.find({
      parts: weighted(asked),
      allowed: active ? filters.passes : null,
      without: [...asked.like, ...asked.unlike].map((one) => one.row),
      withoutPicturesOf:
        facts.same_image || inOnePicture ? [] : asked.like.map((one) => one.row),
      perPicture: inOnePicture ? null : facts.hits_per_image,
      most,
    });
    return isAlone(asked) ? withMarks(found, row) : found;
  };

  const item = ({ id, row }, isLike, remove) => {
    const canvas = thumbnails.make();
    const kind = isLike ? "example" : "counter-example";
    const made = make(
      "li",
      { class: isLike ? "part" : "part against" },
      make("span", { class: "sign", "aria-hidden": "true" }, isLike ? "+" : "−"),
      make("span", { class: "step", role: "img", "aria-label": `${kind}, id ${id}` }, canvas),
    );
    if (remove) {
      const button = make("button", { type: "button", class: "button" }, "✕");
      button.setAttribute("aria-label", `Take the ${kind} ${id} out of the query`);
      button.addEventListener("click", remove);
      made.append(button);
    }
    return { made, drawn: thumbnails.draw(canvas, row) };
  };

  // The query's parts, each with a way to take it out. remove: called with the id.
  const show = ({ like, unlike }, remove) => {
    const items = [
      ...like.map((one) => item(one, true, like.length > 1 && (() => remove(one.id)))),
      ...unlike.map((one) => item(one, false, () => remove(one.id))),
    ];
    const alone = isAlone({ like, unlike });
    focus.during(() => {
      part("parts").replaceChildren(...(alone ? [] : items.map(({ made }) => made)));
      part("parts").hidden = alone;
    }, part("query-title"));
    return Promise.all(items.map(({ drawn }) => drawn));
  };

  return { hits, show, isAlone, isStored };
})();
