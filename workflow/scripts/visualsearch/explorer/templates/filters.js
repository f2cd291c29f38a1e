// Which persons the reader wants to see: for the neighbours, the map and the random pick.
const filters = (() => {
  const { facts, count, set } = persons;
  const part = (name) => document.getElementById(name);
  const form = part("filters");
  const [score, low, high] = ["filter-score", "filter-low", "filter-high"].map(part);
  const selects = [...form.querySelectorAll("select.label")];
  selects.forEach((select, i) => {
    const { values } = facts.labels[i];
    select.append(...values.map((value, place) => new Option(value, String(place + 1))));
  });

  // 1 for each person that passes.
  const passes = new Uint8Array(count).fill(1);
  const state = { passing: count, active: false };

  const limit = (input, otherwise) =>
    input.value === "" || !Number.isFinite(input.valueAsNumber)
      ? otherwise
      : input.valueAsNumber;

  const apply = () => {
    const leastScore = Math.round(score.valueAsNumber * 100);
    const [least, most] = [limit(low, 0), limit(high, Infinity)];
    const wanted = selects
      .map((select, i) => [set.codes[i], Number(select.value)])
      .filter(([, code]) => code > 0);
    state.passing = 0;
    for (let row = 0; row < count; row += 1) {
      let pass = set.score[row] >= leastScore && set.height[row] >= least;
      pass &&= set.height[row] <= most;
      for (const [codes, code] of wanted) pass &&= codes[row] === code;
      passes[row] = pass ? 1 : 0;
      state.passing += passes[row];
    }
    state.active = state.passing < count;
    part("filter-score-text").textContent = words.decimals(score.valueAsNumber);
    part("passing").textContent = `${words.number(state.passing)} of ${words.number(count)} pass`;
    part("filter-reset").disabled = !state.active;
    part("filter-open").textContent = state.active
      ? `Filters: ${part("passing").textContent}`
      : "Filters";
  };

  // After the persons are there. listener: called after each change.
  const bind = (listener) => {
    score.min = persons.lowestScore() / 100;
    // What `reset` goes back to.
    score.setAttribute("value", score.min);
    for (const input of form.querySelectorAll("input, select")) input.disabled = false;
    apply();
    form.addEventListener("input", () => {
      apply();
      listener();
    });
    form.addEventListener("reset", () => {
      // The fields have their old values back only after this event.
      setTimeout(() => {
        apply();
        listener();
      });
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    part("filter-open").addEventListener("click", () => {
      const open = form.classList.toggle("open");
      part("filter-open").setAttribute("aria-expanded", open);
    });
  };

  const reset = () => form.reset();

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

  return { passes, state, bind, reset, random };
})();
