// Who is pointed at on the map, by a pointer, from a gallery, or in the middle while keys move it.
const pointing = (() => {
  const { set } = persons;
  const { state, marks } = stage;
  const { size, at, toX, toY } = view;
  const part = (name) => document.getElementById(name);
  const card = part("map-card");
  const cardPicture = thumbnails.make();
  // In CSS pixels.
  const REACH = 14;
  let nearest = () => null;

  const hideCard = () => {
    card.hidden = true;
  };

  const describe = (row) => {
    const { current } = state;
    const hit = current.hits.find((one) => one.row === row);
    return [
      ...(row === current.row ? ["the query"] : []),
      ...(hit ? [`neighbour ${hit.rank}, similarity ${words.decimals(hit.similarity, 3)}`] : []),
      ...(selection.rows?.[row] ? ["selected"] : []),
      `score ${persons.scoreText(row)} · ${words.number(set.height[row])} px`,
      ...persons.labels(row).map(({ kind, value }) => `${kind} ${value}`),
    ];
  };

  const showCard = (row) => {
    part("map-card-text").replaceChildren(
      ...describe(row).map((text) => elements.make("li", {}, text)),
    );
    thumbnails.draw(cardPicture, row).catch(() => {});
    card.hidden = false;
    const [x, y] = [toX(row), toY(row)];
    const left = Math.max(6, Math.min(size.width - card.offsetWidth - 6, x - card.offsetWidth / 2));
    const below = y + 26;
    const isBelow = below + card.offsetHeight < size.height - 6;
    card.style.left = `${left}px`;
    card.style.top = `${isBelow ? below : Math.max(6, y - 26 - card.offsetHeight)}px`;
  };

  // withCard: not when it was pointed at in a gallery, where its picture is in sight.
  const point = (row, withCard) => {
    if (!stage.isOpen()) return;
    if (row === null || !withCard) hideCard();
    else if (row !== state.pointed || card.hidden) showCard(row);
    state.pointed = row;
    marks.toggleAttribute("data-pointed", row !== null && withCard);
    stage.drawMarks();
  };

  // Who is drawn at this place, or null.
  const rowAt = (x, y, least = REACH) => {
    const reach = Math.max(least, state.pictures ? state.pictures.height / 2 : 0);
    return nearest((x - at.left) / at.scale, (y - at.top) / at.scale, reach / at.scale);
  };

  const aim = () => {
    state.aiming = true;
    const { width, height } = size;
    point(rowAt(width / 2, height / 2, Math.min(width, height) / 3), true);
    const said = state.pointed === null ? "nothing" : describe(state.pointed).join(", ");
    part("announce").textContent = `In the middle: ${said}`;
  };

  const stopAiming = () => {
    state.aiming = false;
    point(null, true);
  };

  const open = (places) => {
    nearest = points.grid(places, filters.passes);
    part("map-card-picture").append(cardPicture);
  };

  return { point, rowAt, aim, stopAiming, hideCard, open };
})();
