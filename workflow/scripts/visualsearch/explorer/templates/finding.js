// From what the reader typed to a person: by person id, image id or file name.
const finding = (() => {
  const { facts } = persons;
  const [one, many] = facts.things;
  // What was found by name before, so that the same words find the next.
  let last = { text: null, place: -1 };

  const byName = async (text) => {
    const part = words.folded(text);
    const found = (await persons.pictures()).filter(({ name }) =>
      words.folded(name).includes(part),
    );
    if (!found.length) return null;
    const place = last.text === text ? (last.place + 1) % found.length : 0;
    last = { text, place };
    const { row, name, many: there } = found[place];
    const more =
      found.length > 1
        ? ` Picture ${place + 1} of ${words.number(found.length)} with “${text}” in its name. Press Find for the next.`
        : "";
    return { row, said: `${name}: ${words.count(there, [one, many])}.${more}` };
  };

  // {row, said}: row is null where there is nobody.
  const find = async (typed) => {
    const text = typed.trim();
    if (/^\d{1,15}$/.test(text)) {
      const row = await persons.rowOf(Number(text));
      if (row !== null) return { row, said: "" };
      const first = text.length > 12 ? null : await persons.rowOfImage(Number(text));
      if (first !== null) {
        const { name, many: there } = await persons.details(first);
        return { row: first, said: `Image ${text}, ${name}: ${words.count(there, [one, many])}.` };
      }
    }
    if (text === "") return { row: null, said: "Type an id, or part of a file name." };
    const found = await byName(text);
    if (found) return found;
    const said = `No ${one} here has the id, image id or file name “${text}”.`;
    return { row: null, said: `${said} An id is a number such as ${facts.first_ids[0]}.` };
  };

  return { find };
})();
