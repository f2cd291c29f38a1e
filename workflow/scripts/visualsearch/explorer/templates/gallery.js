// The query and its neighbours.
const gallery = (() => {
  const { facts, count, set } = persons;
  const { make } = elements;
  const part = (name) => document.getElementById(name);
  const most = Math.max(0, Math.min(facts.neighbours, count - 1));
  const listeners = { search: () => {}, point: () => {}, draw: () => {} };
  const query = thumbnails.make();
  let shown = { row: 0, near: [] };
  let wanted = facts.shown;
  let visible = [];

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

  // Made once and filled again for each query, so that the focus stays at its rank.
  const makeSlot = () => {
    const canvas = thumbnails.make();
    const rank = make("span", { class: "rank" });
    const similarity = make("span", { class: "similarity" });
    const bar = make("i");
    const score = make("p");
    const height = make("p");
    const chips = make("ul", { class: "chips" });
    const marks = make("ul", { class: "chips marks" });
    const button = make("button", { type: "button", class: "crop" }, canvas);
    const item = make(
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
      ),
      chips,
    );
    const slot = { item, hit: null };

    slot.fill = (hit, queryLabels) => {
      const labels = persons.labels(hit.row);
      for (const label of labels) {
        const same = ({ kind, code }) => kind === label.kind && code === label.code;
        label.agrees = queryLabels.some(same);
      }
      slot.hit = hit;
      button.setAttribute("aria-label", `${nameOf(hit, labels)}. Search for this one`);
      rank.textContent = hit.rank;
      similarity.textContent = words.decimals(hit.similarity, 3);
      bar.style.width = `${Math.max(0, Math.min(1, hit.similarity)) * 100}%`;
      score.textContent = `score ${persons.scoreText(hit.row)}`;
      height.textContent = `${words.number(set.height[hit.row])} px high`;
      marks.replaceChildren(
        ...(hit.sameImage ? [elements.warning("same image")] : []),
        ...(hit.nearDuplicate ? [elements.warning("near-duplicate")] : []),
      );
      fillChips(chips, labels);
      return thumbnails.draw(canvas, hit.row);
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

  const slots = Array.from({ length: most }, makeSlot);
  part("query-crop").append(query);

  const saying = () => {
    if (!shown.near.length) return "There is nobody else in the set to compare with.";
    if (!visible.length) {
      return `None of the nearest ${shown.near.length} passes the filters.`;
    }
    if (visible.length < shown.near.length) {
      return `${visible.length} of the nearest ${shown.near.length} pass the filters`;
    }
    return facts.order;
  };

  // A promise that is kept when all pictures are drawn.
  const fill = () => {
    visible = shown.near.filter(({ row }) => filters.passes[row]);
    const now = visible.slice(0, wanted);
    const labels = persons.labels(shown.row);
    const drawn = now.map((hit, i) => slots[i].fill(hit, labels));
    part("hits").replaceChildren(...slots.slice(0, now.length).map(({ item }) => item));
    part("hits-text").textContent = saying();
    part("hits-reset").hidden = visible.length > 0 || !shown.near.length;
    part("more").hidden = visible.length <= facts.shown;
    part("more").textContent =
      wanted > facts.shown ? `Show the first ${facts.shown}` : `Show all ${visible.length}`;
    part("more").setAttribute("aria-expanded", wanted > facts.shown);
    listeners.draw(shown.row, now);
    return Promise.all(drawn);
  };

  // Moving list items takes the focus away from them.
  const refill = () => {
    const held = document.activeElement;
    const promise = fill();
    if (held !== document.activeElement) {
      if (held.isConnected) held.focus({ preventScroll: true });
      else part("query-title").focus({ preventScroll: true });
    }
    return promise;
  };

  const show = (row, near) => {
    shown = { row, near };
    fillChips(part("query-labels"), persons.labels(row));
    return Promise.all([thumbnails.draw(query, row), refill()]);
  };

  // The host stands for the address, which is long.
  const sourceLink = (address) => {
    const host = /^https?:\/\/([^/?#]+)/i.exec(address)?.[1] ?? address;
    const link = elements.link(host, address);
    if (link.setAttribute) link.setAttribute("title", address);
    return link;
  };

  const showDetails = (detail) => {
    const [x, y, width, height] = detail.box.map((side) => words.decimals(side, 1));
    const { license } = detail;
    part("query-id").textContent = detail.id;
    part("query-facts").replaceChildren(
      elements.fact("picture", detail.name),
      elements.fact("image id", String(detail.image)),
      elements.fact("box", `${width} × ${height} px at ${x}, ${y}`),
      elements.fact("score", words.decimals(detail.score, 3)),
      elements.fact("licence", license ? elements.link(license.name, license.url) : "none stated"),
      elements.fact("source", detail.source ? sourceLink(detail.source) : "none stated"),
    );
  };

  // search: a person was chosen. point: one is pointed at, or null. draw: this query with these
  // hits is now in sight.
  // fail: what to do where a picture could not be read.
  const bind = ({ search, point, draw, fail }) => {
    Object.assign(listeners, { search, point, draw });
    part("more").addEventListener("click", () => {
      wanted = wanted > facts.shown ? facts.shown : most;
      refill().catch(fail);
    });
    part("hits-reset").addEventListener("click", filters.reset);
  };

  return { bind, show, showDetails, refill };
})();
