// From the address to the page: who is shown, and how one gets to the next.
(() => {
  const { facts } = persons;
  const part = (name) => document.getElementById(name);
  const [one] = facts.things;
  let current = null;
  let turn = 0;

  const say = (text) => {
    part("notice").textContent = text;
    part("notice").hidden = text === "";
  };
  const fail = (error) => say(error.message);

  // For those who listen to the page.
  const announce = (text) => {
    part("announce").textContent = text;
  };

  const idsOf = (steps) => steps.map(({ id }) => id);

  // The address changes when all is there that a gallery needs.
  const search = async (row) => {
    if (row === current?.row) return;
    try {
      const [{ id }] = await Promise.all([persons.details(row), persons.neighbours(row)]);
      // Nobody is current where the file with the first query's details is missing.
      location.hash = trail.write(id, current ? idsOf([...current.steps, current]) : []);
    } catch (error) {
      fail(error);
    }
  };

  const back = (place) => {
    const { steps } = current;
    location.hash = trail.write(steps[place].id, idsOf(steps.slice(0, place)));
  };

  // {id, row} of those ids that are in the set.
  const known = async (ids) => {
    const rows = await Promise.all(ids.map(persons.rowOf));
    return ids.map((id, i) => ({ id, row: rows[i] })).filter(({ row }) => row !== null);
  };

  // What the address asks for: {row, ids of the trail, trouble to tell}.
  const asked = async () => {
    const address = trail.read(location.hash);
    const start = { row: facts.start, ids: [], trouble: "" };
    const instead = "so the explorer starts where it always does.";
    if (address === null) return start;
    if (address === undefined) {
      return { ...start, trouble: `The address could not be understood, ${instead}` };
    }
    const row = await persons.rowOf(address.id);
    if (row !== null) return { row, ids: address.trail, trouble: "" };
    const trouble = `No ${one} of this set has the id ${address.id} of the address, ${instead}`;
    return { ...start, trouble };
  };

  const ready = () => {
    const { dataset } = document.documentElement;
    if (dataset.state === "ready") return;
    performance.mark("first-gallery");
    dataset.state = "ready";
  };

  const show = async (isCurrent) => {
    const { row, ids, trouble } = await asked();
    const near = await persons.neighbours(row);
    if (!isCurrent()) return;
    say(trouble);
    part("find-text").textContent = "";
    // Without a picture, the numbers and words are there all the same.
    await gallery.show(row, near).then(ready, fail);
    const [details, steps] = await Promise.all([persons.details(row), known(ids)]);
    if (!isCurrent()) return;
    gallery.showDetails(details);
    document.title = `${details.id} · Explorer · ${facts.title}`;
    if (steps.length < ids.length) {
      const lost = words.count(ids.length - steps.length, ["step", "steps"]);
      say(`The trail in the address lost ${lost} to ids that are not in this set.`);
    }
    current = { row, id: details.id, steps };
    for (const name of ["copy-link", "copy-id"]) part(name).disabled = false;
    announce(`Query is now ${one} ${details.id}. Neighbours: ${part("hits-text").textContent}`);
    await trail.show([...steps, current], back);
  };

  // Shows what the address says, unless it says something else by then.
  const arrive = async () => {
    turn += 1;
    const own = turn;
    const isCurrent = () => own === turn;
    try {
      await show(isCurrent);
    } catch (error) {
      if (isCurrent()) fail(error);
    }
  };

  const random = () => {
    const row = filters.random(current?.row ?? facts.start);
    if (row === null) announce("No other passes the filters.");
    else search(row);
  };

  const find = async (text) => {
    const id = Number(text.trim());
    const isId = /^\d{1,16}$/.test(text.trim()) && Number.isSafeInteger(id);
    const row = isId ? await persons.rowOf(id) : null;
    if (row === null) {
      const said = `No ${one} here has the id “${text.trim()}”.`;
      return `${said} An id is a number such as ${facts.first_ids[0]}.`;
    }
    if (row === current?.row) return `The ${one} with the id ${id} is the query now.`;
    search(row);
    return "";
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

  const link = () => {
    const page = location.href.split("#")[0];
    return page + trail.write(current.id, idsOf(current.steps));
  };

  const bind = () => {
    gallery.bind({
      search,
      fail,
      point: map.point,
      draw: map.show,
    });
    map.bind({ search, fail });
    filters.bind(() => {
      gallery.refill().catch(fail);
      map.draw();
    });
    addEventListener("hashchange", arrive);
    part("random").addEventListener("click", random);
    part("find").addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        part("find-text").textContent = await find(part("find-id").value);
      } catch (error) {
        fail(error);
      }
    });
    part("copy-link").addEventListener("click", () => copy(part("copy-link"), link()));
    part("copy-id").addEventListener("click", () => copy(part("copy-id"), String(current.id)));
    part("trail-clear").addEventListener("click", () => {
      location.hash = trail.write(current.id, []);
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
