// What the points of the map are coloured by: nothing, the score, or a kind of label.
const colouring = (() => {
  const { facts, set } = persons;
  // Labels of one kind that get a colour of their own, and steps of the score.
  const OWN_COLOURS = 7;
  const SCORE_STEPS = 5;

  const byNothing = () => ({ legend: [], names: ["class-1"], of: () => 0 });

  const byScore = () => {
    const lowest = persons.lowestScore();
    const wide = Math.max(1, (100 - lowest) / SCORE_STEPS);
    const at = (step) => words.decimals((lowest + step * wide) / 100);
    const names = Array.from({ length: SCORE_STEPS }, (_, step) => `score-${step + 1}`);
    return {
      names,
      legend: names.map((name, step) => [name, `${at(step)} to ${at(step + 1)}`]),
      of: (row) => Math.min(SCORE_STEPS - 1, Math.floor((set.score[row] - lowest) / wide)),
    };
  };

  const byLabel = (index) => {
    const { values } = facts.labels[index];
    const codes = set.codes[index];
    const many = new Uint32Array(values.length + 1);
    for (const code of codes) many[code] += 1;
    const common = values
      .map((_, i) => i + 1)
      .toSorted((a, b) => many[b] - many[a])
      .slice(0, OWN_COLOURS)
      .toSorted((a, b) => a - b);
    const classOf = new Uint8Array(values.length + 1).fill(common.length);
    common.forEach((code, i) => {
      classOf[code] = i;
    });
    const names = [...common.map((_, i) => `class-${i + 1}`), "class-none"];
    const legend = common.map((code, i) => [names[i], values[code - 1]]);
    const others = values.length - common.length;
    const rest = [];
    if (others) rest.push(`${words.number(others)} others`);
    if (many[0]) rest.push("none");
    if (rest.length) legend.push(["class-none", rest.join(", ")]);
    return { names, legend, of: (row) => classOf[codes[row]] };
  };

  // choice: "" for nothing, "score", or the number of a kind. names: of the colours in the style.
  // legend: [[name, text]]. of: a row's place in names.
  const by = (choice) => {
    if (choice === "") return byNothing();
    return choice === "score" ? byScore() : byLabel(Number(choice));
  };

  // The first kind with few enough values, else the score.
  const first = () => {
    const few = facts.labels.findIndex(({ values }) => values.length <= OWN_COLOURS);
    return few < 0 ? "score" : String(few);
  };

  return { by, first };
})();
