// From the address to the page: who is searched for among whom, and how one gets to the next.
(() => {
  const { facts } = persons;
  const part = (name) => document.getElementById(name);
  const [one] = facts.things;
  // The address follows the filters after so many milliseconds of quiet.
  const QUIET = 400;
  // What is searched for: {like, unlike}, each [{row, id}]; ids come later than rows.
  let asked = null;
  // What the page shows all of: {row, id, like, unlike, steps}.
  let current = null;
  // Whether `current` is what the address asks for.
  let isShown = false;
  let arrivals = 0;
  let looks = 0;
  let written = null;
  let writing = 0;
  // What is to be said of the person that was found, when it is shown.
  let found = "";

  const say = (text) => {
    part("notice").textContent = text;
    part("notice").hidden = text === "";
  };
  const fail = (error) => say(error.message);

  // For those who listen to the page.
  const announce = (text) => {
    part("announce").textContent = text;
  };

  const idsOf = (list) => list.map(({ id }) => id);

  // like, unlike, trail: ids; the first of like is the one shown large.
  const addressOf = ([id, ...like], unlike, trail) =>
    address.write({ id, like, unlike, trail, filters: filters.values() });
  // The ids asked for, which are on their way if the reader was quicker than the search.
  const wantedIds = () => {
    const said = isShown && location.hash === written ? null : address.read(location.hash);
    if (Number.isInteger(said?.id)) return { ...said, like: [said.id, ...said.like] };
    const { like, unlike, steps } = current;
    return { like: idsOf(like), unlike: idsOf(unlike), trail: idsOf(steps) };
  };
  const addressNow = () => {
    const { like, unlike, trail } = wantedIds();
    return addressOf(like, unlike, trail);
  };

  // The address changes when all is there that a gallery needs.
  const search = async (row) => {
    if (row === current?.row && query.isAlone(current)) return;
    try {
      const [{ id }] = await Promise.all([persons.details(row), persons.neighbours(row)]);
      // Nobody is current where the file with the first query's details is missing.
      const before = current ? idsOf([...current.steps, current]) : [];
      location.hash = addressOf([id], [], row === current?.row ? idsOf(current.steps) : before);
    } catch (error) {
      fail(error);
    }
  };

  // From above the query, which may be out of sight.
  const searchBelow = (row) => {
    document.querySelector("main").scrollIntoView();
    search(row);
  };

  const back = (place) => {
    const { steps } = current;
    location.hash = addressOf([steps[place].id], [], idsOf(steps.slice(0, place)));
  };

  // Takes a person out of the query. to: the list that it goes to, if any.
  const change = (id, to = null) => {
    const wanted = wantedIds();
    const like = wanted.like.filter((other) => other !== id);
    const unlike = wanted.unlike.filter((other) => other !== id);
    if (to !== null) ({ like, unlike })[to].push(id);
    if (like.length) location.hash = addressOf(like, unlike, wanted.trail);
  };

  // A person becomes an example or a counter-example, and stops being the other.
  const add = async ({ row }, to) => {
    if (!current) return;
    try {
      change((await persons.details(row)).id, to);
    } catch (error) {
      fail(error);
    }
  };

  const ready = () => {
    const { dataset } = document.documentElement;
    if (dataset.state === "ready") return;
    performance.mark("first-gallery");
    dataset.state = "ready";
  };

  // Searches and shows; false where something else is wanted by then.
  const look = async () => {
    looks += 1;
    const own = looks;
    const isStored = query.isStored(asked);
    const hits = await query.hits(asked);
    if (own !== looks) return false;
    // Without a picture, the numbers and words are there all the same.
    await gallery.show(asked, hits, isStored).then(ready, fail);
    gallery.tell().catch(fail);
    return true;
  };

  const show = async (isCurrent) => {
    const wanted = await asking.read(location.hash);
    if (!isCurrent()) return;
    const before = JSON.stringify(filters.values());
    const unknown = filters.put(wanted.filters);
    await filters.apply();
    if (!isCurrent()) return;
    map.draw();
    const isOther = before !== JSON.stringify(filters.values());
    if (facts.own_pictures && isOther) ownPicture.refresh();
    asked = { like: wanted.like, unlike: wanted.unlike };
    const troubles = wanted.troubles;
    if (unknown.length) {
      troubles.push(`The address filters by labels that are not in this set: ${unknown.join(", ")}.`);
    }
    say(troubles.join(" "));
    part("find-text").textContent = found;
    found = "";
    await look();
    const [{ row }] = asked.like;
    const [details, steps] = await Promise.all([persons.details(row), asking.known(wanted.trail)]);
    if (!isCurrent()) return;
    asked.like[0].id = details.id;
    gallery.showDetails(details);
    document.title = `${details.id} · Explorer · ${facts.title}`;
    troubles.push(...asking.missing(wanted.trail.length - steps.length, ["trail step", "trail steps"]));
    say(troubles.join(" "));
    current = { ...asked, row, id: details.id, steps };
    isShown = true;
    for (const name of ["copy-link", "copy-id", "query-behind"]) part(name).disabled = false;
    const more = query.isAlone(current)
      ? ""
      : ` with ${words.count(current.like.length, ["example", "examples"])} and ` +
        words.count(current.unlike.length, ["counter-example", "counter-examples"]);
    const text = part("hits-text").textContent;
    announce(`Query is now ${one} ${details.id}${more}. Neighbours: ${text}`);
    await Promise.all([trail.show([...steps, current], back), query.show(current, change)]);
  };

  // Shows what the address says, unless it says something else by then.
  const arrive = async () => {
    if (location.hash === written) return;
    written = location.hash;
    isShown = false;
    clearTimeout(writing);
    arrivals += 1;
    const own = arrivals;
    const isCurrent = () => own === arrivals;
    try {
      await show(isCurrent);
    } catch (error) {
      if (isCurrent()) fail(error);
    }
  };

  // The filters changed: the same query among others. Its address is a step to go back to.
  const refresh = async () => {
    // The first query, on its way, will be searched for among these.
    if (!asked) return;
    map.draw();
    if (facts.own_pictures) ownPicture.refresh();
    clearTimeout(writing);
    writing = setTimeout(() => {
      if (!current) return;
      location.hash = addressNow();
      written = location.hash;
    }, QUIET);
    try {
      if (await look()) announce(`Neighbours: ${part("hits-text").textContent}`);
    } catch (error) {
      fail(error);
    }
  };

  const showProgress = (done, files) => {
    const bar = part("progress");
    bar.hidden = done === files;
    bar.querySelector("progress").value = done / files;
    if (done === 0) announce("Loading the vectors. This happens once.");
  };

  const random = () => {
    const row = filters.random(current?.row ?? facts.start);
    part("find-text").textContent = row === null ? `No other ${one} matches the filters.` : "";
    if (row !== null) search(row);
  };

  const find = async (event) => {
    event.preventDefault();
    try {
      const { row, said } = await finding.find(part("find-id").value);
      const isNow = row !== null && row === current?.row;
      if (isNow || row === null) {
        const now = `The ${one} with the id ${current?.id} is the query now.`;
        part("find-text").textContent = isNow ? `${said} ${now}`.trim() : said;
        return;
      }
      found = said;
      await search(row);
    } catch (error) {
      fail(error);
    }
  };

  const copy = async (button, text) => {
    const done = await clipboard.copy(text);
    button.dataset.name ??= button.textContent;
    button.textContent = done ? "Copied" : "Failed";
    announce(done ? "Copied" : "Could not be copied");
    setTimeout(() => {
      button.textContent = button.dataset.name;
    }, 1500);
  };

  const bind = () => {
    gallery.bind({
      search,
      fail,
      like: (hit) => add(hit, "like"),
      unlike: (hit) => add(hit, "unlike"),
      open: behind.open,
      point: map.point,
      draw: map.show,
    });
    behind.bind({ search, fail });
    map.bind({ search, fail });
    if (facts.own_pictures) ownPicture.bind({ search: searchBelow, point: map.point });
    filters.bind(refresh, fail);
    searching.onProgress(showProgress);
    addEventListener("hashchange", arrive);
    part("random").addEventListener("click", random);
    for (const link of document.querySelectorAll(".skips a")) {
      link.addEventListener("click", (event) => {
        // The address is the query's.
        event.preventDefault();
        document.querySelector(link.hash).focus();
      });
    }
    part("find").addEventListener("submit", find);
    part("copy-link").addEventListener("click", () =>
      copy(part("copy-link"), location.href.split("#")[0] + addressNow()),
    );
    part("copy-id").addEventListener("click", () => copy(part("copy-id"), String(current.id)));
    part("trail-clear").addEventListener("click", () => {
      location.hash = addressOf(idsOf(current.like), idsOf(current.unlike), []);
    });
  };

  const start = async () => {
    theme.bind(document.querySelector("button.theme"), map.draw);
    try {
      await persons.open();
      bind();
      await arrive();
      await map.open();
    } catch (error) {
      fail(error);
    }
  };
  start();
})();
