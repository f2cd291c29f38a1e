// The selection as a gallery beneath the map, and its way out of the page.
const selected = (() => {
  const { facts, count, set } = persons;
  const { make } = elements;
  const part = (name) => document.getElementById(name);
  const section = part("selected");
  const list = part("selected-persons");
  // Shown at first, and by each click for more.
  const EACH = 48;
  const listeners = { search: () => {}, point: () => {}, fail: () => {} };
  let rows = [];
  let isSaving = false;

  // A sheet of pictures is read when one of its persons comes into sight.
  const inSight = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        inSight.unobserve(target);
        thumbnails.draw(target, Number(target.dataset.row)).catch(listeners.fail);
      }
    },
    { rootMargin: "200px" },
  );

  const nameOf = (row, place) =>
    [
      `Selected ${words.number(place + 1)} of ${words.number(rows.length)}`,
      `score ${persons.scoreText(row)}`,
      `${words.number(set.height[row])} px high`,
      ...persons.labels(row).map(({ kind, value }) => `${kind} ${value}`),
    ].join(", ");

  const itemOf = (row, place) => {
    const canvas = thumbnails.make();
    canvas.dataset.row = row;
    const button = make("button", { type: "button", class: "crop" }, canvas);
    button.setAttribute("aria-label", `${nameOf(row, place)}. Search for this one`);
    button.addEventListener("click", () => listeners.search(row));
    for (const name of ["pointerenter", "focus"]) {
      button.addEventListener(name, () => listeners.point(row));
    }
    for (const name of ["pointerleave", "blur"]) {
      button.addEventListener(name, () => listeners.point(null));
    }
    inSight.observe(canvas);
    return make("li", {}, button);
  };

  const showMore = () => {
    const start = list.childElementCount;
    list.append(...rows.slice(start, start + EACH).map((row, i) => itemOf(row, start + i)));
    const left = rows.length - list.childElementCount;
    part("selected-more").hidden = left === 0;
    part("selected-more").textContent = `Show ${words.number(Math.min(EACH, left))} more`;
    return start;
  };

  const show = () => {
    inSight.disconnect();
    list.replaceChildren();
    rows = [];
    selection.rows?.forEach((one, row) => {
      if (one) rows.push(row);
    });
    section.hidden = rows.length === 0;
    const all = words.count(count, facts.things);
    part("selected-text").textContent = `${words.number(rows.length)} of ${all}`;
    part("selected-saving").textContent = "";
    showMore();
  };

  const save = async (write) => {
    if (isSaving) return;
    isSaving = true;
    try {
      const name = await write(rows, (text) => {
        part("selected-saving").textContent = text;
      });
      part("selected-saving").textContent = `${name} saved.`;
    } catch (error) {
      part("selected-saving").textContent = "";
      listeners.fail(error);
    } finally {
      isSaving = false;
    }
  };

  // search: a person was chosen. point: one is pointed at, or null. fail: a file was not read.
  const bind = (given) => {
    Object.assign(listeners, given);
    selection.onChange(show);
    part("selected-more").addEventListener("click", () => {
      const first = showMore();
      list.children[first].querySelector("button").focus();
    });
    part("selected-clear").addEventListener("click", () => {
      part("map-title").focus({ preventScroll: true });
      selection.clear();
      part("announce").textContent = "Nothing is selected.";
    });
    for (const [kind, write] of Object.entries(takeaway)) {
      part(`selected-${kind}`).addEventListener("click", () => save(write));
    }
  };

  return { bind };
})();
