// One neighbour in the gallery. Made once and filled again for each query, so that the focus stays
// at its rank.
const hitSlots = (() => {
  const { facts, set } = persons;
  const { make } = elements;

  const chip = (label) => {
    const made = elements.chip(label.kind, label.value, label.agrees);
    made.title = `${label.kind}: ${label.value}${label.agrees ? ", as in the query" : ""}`;
    return made;
  };

  // A line for each kind, so that nothing moves where somebody has none.
  const fillChips = (list, labels) => {
    list.replaceChildren(
      ...facts.labels.map(({ kind }) => {
        const label = labels.find((one) => one.kind === kind);
        return label ? chip(label) : make("li", { class: "chip blank", "aria-hidden": "true" });
      }),
    );
  };

  const nameOf = (hit, labels) =>
    [
      `Neighbour ${hit.rank}`,
      `similarity ${words.decimals(hit.similarity, 3)}`,
      ...(hit.sameImage ? ["same image"] : []),
      ...(hit.nearDuplicate ? ["near-duplicate"] : []),
      `score ${persons.scoreText(hit.row)}`,
      `${words.number(set.height[hit.row])} px high`,
      ...labels.map(({ kind, value }) => `${kind} ${value}`),
    ].join(", ");

  // listeners: search, point, like, unlike and open, each called with the hit or its row. hasActs:
  // whether the last three are offered.
  const makeSlot = (listeners, hasActs = true) => {
    const canvas = thumbnails.make();
    const rank = make("span", { class: "rank" });
    const similarity = make("span", { class: "similarity" });
    const bar = make("i");
    const [score, height] = [make("p"), make("p")];
    const [file, license] = [make("p", { class: "line" }), make("p", { class: "line" })];
    const chips = make("ul", { class: "chips" });
    const marks = make("ul", { class: "chips marks" });
    const button = make("button", { type: "button", class: "crop" }, canvas);
    const slot = { item: null, hit: null, button };

    const act = (sign, title, does) => {
      const made = make("button", { type: "button", class: "act", title }, sign);
      made.addEventListener("click", () => does(slot.hit));
      return made;
    };
    const acts = [
      ["+", "More like this: add as an example", "Add neighbour RANK as an example", "like"],
      ["−", "Less like this: add as a counter-example", "Add neighbour RANK as a counter-example", "unlike"],
      ["⤢", "Picture and details", "Picture and details of neighbour RANK", "open"],
    ].map(([sign, title, label, name]) => [act(sign, title, (hit) => listeners[name](hit)), label]);

    slot.item = make(
      "li",
      { class: "hit" },
      button,
      marks,
      make(
        "div",
        { class: "about", "aria-hidden": "true" },
        make("p", { class: "ranked" }, rank, similarity),
        make("div", { class: "bar" }, bar),
        score,
        height,
        file,
        license,
      ),
      ...(hasActs ? [make("div", { class: "acts" }, ...acts.map(([made]) => made))] : []),
      chips,
    );

    slot.fill = (hit, queryLabels) => {
      const labels = persons.labels(hit.row);
      for (const label of labels) {
        const same = ({ kind, code }) => kind === label.kind && code === label.code;
        label.agrees = queryLabels.some(same);
      }
      slot.hit = hit;
      button.setAttribute("aria-label", `${nameOf(hit, labels)}. Search for this one`);
      for (const [made, label] of acts) made.setAttribute("aria-label", label.replace("RANK", hit.rank));
      rank.textContent = hit.rank;
      similarity.textContent = words.decimals(hit.similarity, 3);
      bar.style.width = `${Math.max(0, Math.min(1, hit.similarity)) * 100}%`;
      score.textContent = `score ${persons.scoreText(hit.row)}`;
      height.textContent = `${words.number(set.height[hit.row])} px high`;
      file.textContent = "";
      license.textContent = "";
      marks.replaceChildren(
        ...(hit.sameImage ? [elements.warning("same image")] : []),
        ...(hit.nearDuplicate ? [elements.warning("near-duplicate")] : []),
      );
      fillChips(chips, labels);
      return thumbnails.draw(canvas, hit.row);
    };

    // File name and licence come from other files, after the pictures.
    slot.tell = async () => {
      const { hit } = slot;
      const detail = await persons.details(hit.row);
      if (slot.hit !== hit) return;
      file.textContent = detail.name;
      file.title = detail.name;
      license.textContent = detail.license?.name ?? "no licence stated";
      license.title = license.textContent;
      const named = nameOf(hit, persons.labels(hit.row));
      const about = `${named}, picture ${detail.name}, ${license.textContent}`;
      button.setAttribute("aria-label", `${about}. Search for this one`);
    };

    button.addEventListener("click", () => listeners.search(slot.hit.row));
    // What a click would need is asked for a little earlier; a failure is told at the click.
    button.addEventListener("pointerenter", () => {
      persons.neighbours(slot.hit.row).catch(() => {});
      listeners.point(slot.hit.row);
    });
    button.addEventListener("pointerleave", () => listeners.point(null));
    button.addEventListener("focus", () => listeners.point(slot.hit?.row ?? null));
    button.addEventListener("blur", () => listeners.point(null));
    return slot;
  };

  return { make: makeSlot, fillChips };
})();
