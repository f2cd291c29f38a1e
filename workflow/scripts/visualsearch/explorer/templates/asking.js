// What an address asks for, of the persons that are in this set.
const asking = (() => {
  const { facts } = persons;
  const [one] = facts.things;
  const INSTEAD = "The explorer shows its first query instead.";

  // {id, row} of those ids that are in the set.
  const known = async (ids) => {
    const rows = await Promise.all(ids.map(persons.rowOf));
    return ids.map((id, i) => ({ id, row: rows[i] })).filter(({ row }) => row !== null);
  };

  const missing = (many, things) =>
    many ? [`The address lists ${words.count(many, things)} that this set does not have.`] : [];

  const firstQuery = (...troubles) => ({
    like: [{ row: facts.start }],
    unlike: [],
    trail: [],
    filters: { labels: {} },
    troubles: troubles.map((trouble) => `${trouble} ${INSTEAD}`),
  });

  // {like, unlike, trail: ids, filters, troubles: sentences for the reader}.
  const read = async (hash) => {
    const said = address.read(hash);
    if (said === null) return firstQuery();
    if (said === undefined) return firstQuery("The address could not be understood.");
    const { id, filters, trail } = said;
    if (id === null) {
      const isHalf = said.like.length + said.unlike.length + trail.length > 0;
      return { ...firstQuery(...(isHalf ? [`The address has no ${one} to start with.`] : [])), filters };
    }
    const row = await persons.rowOf(id);
    if (row === null) return firstQuery(`No ${one} here has the id ${id} of the address.`);
    const examples = said.like.filter((other) => other !== id);
    const others = said.unlike.filter((other) => other !== id && !examples.includes(other));
    const [like, unlike] = await Promise.all([known(examples), known(others)]);
    const lost = examples.length + others.length - like.length - unlike.length;
    const troubles = missing(lost, ["example", "examples"]);
    return { like: [{ id, row }, ...like], unlike, trail, filters, troubles };
  };

  return { read, known, missing };
})();
