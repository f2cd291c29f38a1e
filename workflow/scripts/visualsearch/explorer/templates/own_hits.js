// The persons most like a box of the reader's own picture, among those that pass the filters.
const ownHits = (() => {
  const { facts, count } = persons;
  const part = (name) => document.getElementById(name);
  const listeners = {};
  const most = Math.min(facts.shown, count);
  const slots = Array.from({ length: most }, () => hitSlots.make(listeners, false));
  // The vector searched for, float32.
  let vector = null;
  let turn = 0;

  const show = async (hits) => {
    const now = slots.slice(0, hits.length);
    const drawn = hits.map((hit, i) => now[i].fill(hit, []));
    focus.during(() => {
      part("own-hits").replaceChildren(...now.map(({ item }) => item));
    }, part("own-file"));
    const { active, passing } = filters.state;
    const all = active
      ? `most similar first, of ${words.number(passing)} that match${passing === 1 ? "es" : ""} the filters`
      : facts.order;
    part("own-hits-text").textContent = hits.length
      ? `${all}. Similarities are off by up to 0.003, as the vectors are rounded.`
      : `No ${facts.things[0]} matches the filters.`;
    await Promise.all([...drawn, ...now.map((slot) => slot.tell())]);
  };

  // Searches again, as the filters may have changed. The picture may be one of the set, so no
  // picture is left out.
  const refresh = async () => {
    if (!vector) return;
    turn += 1;
    const own = turn;
    const { active, inOnePicture } = filters.state;
    const hits = await searching.find({
      parts: [{ vector, weight: 1 }],
      allowed: active ? filters.passes : null,
      without: [],
      withoutPicturesOf: [],
      perPicture: inOnePicture ? null : facts.hits_per_image,
      most,
    });
    if (own === turn) await show(hits);
  };

  const search = (given) => {
    vector = given;
    return refresh();
  };

  // Those of another picture.
  const clear = () => {
    vector = null;
    turn += 1;
    focus.during(() => part("own-hits").replaceChildren(), part("own-file"));
    part("own-hits-text").textContent = "";
  };

  const bind = (given) => Object.assign(listeners, given);

  return { bind, search, refresh, clear };
})();
