// The query and its neighbours.
const gallery = (() => {
  const { facts, count } = persons;
  const [one, many] = facts.things;
  const part = (name) => document.getElementById(name);
  const most = Math.max(0, Math.min(facts.neighbours, count - 1));
  const listeners = {};
  const canvas = thumbnails.make();
  let shown = { asked: { like: [{ row: 0 }], unlike: [] }, hits: [], isStored: true };
  let wanted = facts.shown;
  let fail = () => {};

  const slots = Array.from({ length: most }, () => hitSlots.make(listeners));
  part("query-crop").append(canvas);

  const rowOf = () => shown.asked.like[0].row;

  const saying = () => {
    const { hits, isStored } = shown;
    const { passing, active, inOnePicture } = filters.state;
    if (count < 2) return `There is no other ${one} in the set.`;
    if (active && !passing) return `No ${one} matches the filters.`;
    if (!hits.length) {
      return active
        ? `All ${many} that match the filters are in the query or in its picture.`
        : `All other ${many} are in the same picture.`;
    }
    if (isStored) return facts.order;
    if (passing === 1) return `the only ${one} that matches the filters`;
    if (!active) return "most similar first, of all";
    const which = inOnePicture ? " of this picture" : "";
    return `most similar first, of the ${words.number(passing)}${which} that match the filters`;
  };

  // What a search in the page does not know, or does otherwise.
  const note = () => {
    if (shown.isStored || !shown.hits.length) return "";
    const marks = query.isAlone(shown.asked)
      ? `Near-duplicates are marked only among the ${facts.neighbours} neighbours stored for each ${one}`
      : "Near-duplicates of several examples are not marked";
    const left = facts.exclude_near_duplicates ? ", so some may be shown here" : "";
    return `Searched in this page with rounded vectors: similarities are off by up to 0.003. ${marks}${left}.`;
  };

  // A promise that is kept when all pictures are drawn.
  const fill = () => {
    const now = shown.hits.slice(0, wanted);
    const labels = persons.labels(rowOf());
    const drawn = now.map((hit, i) => slots[i].fill(hit, labels));
    part("hits-text").textContent = saying();
    part("hits-note").textContent = note();
    focus.during(() => {
      part("hits").replaceChildren(...slots.slice(0, now.length).map(({ item }) => item));
      part("hits-reset").hidden = shown.hits.length > 0 || !filters.state.active;
      part("more").hidden = shown.hits.length <= facts.shown;
    }, part("query-title"));
    part("more").textContent =
      wanted > facts.shown ? `Show the first ${facts.shown}` : `Show all ${shown.hits.length}`;
    part("more").setAttribute("aria-expanded", wanted > facts.shown);
    listeners.draw(rowOf(), now);
    return Promise.all(drawn);
  };

  const tell = () => Promise.all(slots.slice(0, visible().length).map((slot) => slot.tell()));

  // asked: {like, unlike}, the first of like is the one that is shown large.
  const show = (asked, hits, isStored) => {
    shown = { asked, hits, isStored };
    hitSlots.fillChips(part("query-labels"), persons.labels(rowOf()));
    return Promise.all([thumbnails.draw(canvas, rowOf()), fill()]);
  };

  const visible = () => shown.hits.slice(0, wanted);

  // The host stands for the address, which is long.
  const sourceLink = (address) => {
    const host = /^https?:\/\/([^/?#]+)/i.exec(address)?.[1] ?? address;
    const link = elements.link(host, address);
    if (link.setAttribute) link.setAttribute("title", address);
    return link;
  };

  // What is known of a person, as rows of a dl.
  const factsOf = (detail) => {
    const [x, y, width, height] = detail.box.map((side) => words.decimals(side, 1));
    const { license } = detail;
    const named = elements.make("span", { title: detail.name }, behind.fileLink(detail));
    return [
      elements.fact("picture", named),
      elements.fact("image id", String(detail.image)),
      elements.fact("box", `${width} × ${height} px at ${x}, ${y}`),
      elements.fact("score", words.decimals(detail.score, 3)),
      elements.fact("licence", license ? elements.link(license.name, license.url) : "none stated"),
      elements.fact("source", detail.source ? sourceLink(detail.source) : "none stated"),
    ];
  };

  const showDetails = (detail) => {
    part("query-id").textContent = detail.id;
    part("query-facts").replaceChildren(...factsOf(detail));
  };

  // The rank's crop, to which the focus may come back; rank 0 is the query.
  const focusOn = (rank) => {
    focus.to(rank ? slots[rank - 1].button : part("query-behind"));
  };

  // search: a person was chosen. like, unlike: a hit goes into the query. open: a hit, or null for
  // the query, is looked at closely. point: one is pointed at, or null. draw: this query with these
  // hits is now in sight. fail: what to do where something could not be read.
  const bind = (given) => {
    Object.assign(listeners, given);
    ({ fail } = given);
    part("more").addEventListener("click", () => {
      wanted = wanted > facts.shown ? facts.shown : most;
      fill().then(tell).catch(fail);
    });
    part("hits-reset").addEventListener("click", filters.reset);
    part("query-behind").addEventListener("click", () => listeners.open(null));
  };

  return { bind, show, tell, showDetails, factsOf, visible, rowOf, focusOn };
})();
