// Who is searched: for the neighbours, the map and the random pick.
const filters = (() => {
  const { facts, count, set } = persons;
  const part = (name) => document.getElementById(name);
  const form = part("filters");
  const fields = Object.fromEntries(
    ["score", "low", "high", "name", "image"].map((name) => [name, part(`filter-${name}`)]),
  );
  const { score, low, high, name, image } = fields;
  const selected = part("filter-selected");
  const selects = [...form.querySelectorAll("select.label")];
  selects.forEach((select, i) => {
    const { values } = facts.labels[i];
    select.append(...values.map((value, place) => new Option(value, String(place + 1))));
  });

  // 1 for each person that passes.
  const passes = new Uint8Array(count).fill(1);
  const state = { passing: count, active: false, inOnePicture: false };
  let pictures = null;
  let turn = 0;

  // What the field does not allow is marked, and no filter.
  const isGiven = (input) => input.value.trim() !== "" && input.validity.valid;
  const limit = (input, otherwise) => (isGiven(input) ? input.valueAsNumber : otherwise);
  const asksForPictures = () => isGiven(name) || isGiven(image);

  // Leaves those of the pictures that are meant.
  const keepPictures = () => {
    const text = words.folded(name.value.trim());
    const wanted = limit(image, null);
    for (const one of pictures) {
      const isMeant =
        words.folded(one.name).includes(text) && (wanted === null || one.image === wanted);
      if (!isMeant) passes.fill(0, one.row, one.row + one.many);
    }
  };

  const compute = () => {
    const leastScore = Math.round(score.valueAsNumber * 100);
    const [least, most] = [limit(low, 0), limit(high, Infinity)];
    const wanted = selects
      .map((select, i) => [set.codes[i], Number(select.value)])
      .filter(([, code]) => code > 0);
    const mask = selected.checked ? selection.rows : null;
    for (let row = 0; row < count; row += 1) {
      let pass = set.score[row] >= leastScore && set.height[row] >= least;
      pass &&= set.height[row] <= most;
      for (const [codes, code] of wanted) pass &&= codes[row] === code;
      if (mask) pass &&= mask[row] > 0;
      passes[row] = pass ? 1 : 0;
    }
    if (asksForPictures()) keepPictures();
    state.passing = passes.reduce((sum, one) => sum + one, 0);
    state.active = state.passing < count;
    state.inOnePicture = isGiven(image);
  };

  const tell = () => {
    const isChanged = state.active || asksForPictures() || selected.checked;
    part("filter-score-text").textContent = words.decimals(score.valueAsNumber);
    part("passing").textContent = `${words.number(state.passing)} of ${words.number(count)} match`;
    const first = form.classList.contains("open") ? part("filter-open") : score;
    focus.during(() => {
      part("filter-reset").disabled = !isChanged;
      part("selected-field").hidden = selection.rows === null;
    }, first);
    part("filter-open").textContent = state.active
      ? `Filters: ${part("passing").textContent}`
      : "Filters";
  };

  // At once, unless the names of all pictures are still to be read. false where another change
  // came meanwhile.
  const apply = () => {
    turn += 1;
    const own = turn;
    const finish = () => {
      if (own !== turn) return false;
      compute();
      tell();
      return true;
    };
    if (!asksForPictures() || pictures) return finish();
    return persons.pictures().then((all) => {
      pictures = all;
      return finish();
    });
  };

  // Only what is not as it was at first; `selected` is of this visit, and in no address.
  const values = () => {
    // A kind may have any name, __proto__ too.
    const given = { labels: Object.create(null) };
    for (const [key, field] of Object.entries(fields)) {
      const isFirst = field === score && field.value === field.min;
      if (!isFirst && isGiven(field)) given[key] = field.value.trim();
    }
    selects.forEach((select, i) => {
      const { kind, values: known } = facts.labels[i];
      if (select.value !== "0") given.labels[kind] = known[Number(select.value) - 1];
    });
    return given;
  };

  // given: as `values` returns them. Returns the kinds whose label is not in this set.
  const put = (given) => {
    const now = values();
    for (const [key, field] of Object.entries(fields)) {
      // What the reader is typing stays.
      if ((now[key] ?? "") !== (given[key] ?? "")) {
        field.value = given[key] ?? (field === score ? score.min : "");
      }
    }
    const unknown = new Set(Object.keys(given.labels));
    selects.forEach((select, i) => {
      const { kind, values: known } = facts.labels[i];
      const place = known.indexOf(given.labels[kind]) + 1;
      select.value = String(place);
      if (place) unknown.delete(kind);
    });
    return [...unknown];
  };

  // After the persons are there. listener: called after each change. fail: called with what went
  // wrong.
  const bind = (listener, fail) => {
    score.min = persons.lowestScore() / 100;
    // What `reset` goes back to.
    score.setAttribute("value", score.min);
    for (const input of form.querySelectorAll("input, select")) input.disabled = false;
    apply();
    const change = async () => {
      try {
        if (await apply()) listener();
      } catch (error) {
        fail(error);
      }
    };
    form.addEventListener("input", () => {
      // What needs no file is seen at once.
      const done = apply();
      if (done === true) listener();
      else change();
    });
    // The fields have their old values back only after this event.
    form.addEventListener("reset", () => setTimeout(change));
    form.addEventListener("submit", (event) => event.preventDefault());
    selection.onChange(() => {
      const wasChecked = selected.checked;
      if (selection.rows === null) selected.checked = false;
      if (wasChecked) change();
      else tell();
    });
    part("filter-open").addEventListener("click", () => {
      const open = form.classList.toggle("open");
      part("filter-open").setAttribute("aria-expanded", open);
    });
  };

  const reset = () => form.reset();

  // Only a picture's persons.
  const onlyPicture = (number) => {
    image.value = String(number);
    form.dispatchEvent(new Event("input"));
  };

  // Any person that passes but this one; null where there is none.
  const random = (but) => {
    const choices = state.passing - passes[but];
    if (choices < 1) return null;
    let left = Math.floor(Math.random() * choices);
    for (let row = 0; row < count; row += 1) {
      if (passes[row] && row !== but) {
        if (left === 0) return row;
        left -= 1;
      }
    }
    return null;
  };

  return { passes, state, bind, apply, values, put, reset, onlyPicture, random };
})();
