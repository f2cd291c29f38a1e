// The part of the address after #: the query, its filters and the way to it, to share and to go
// back to. Without it the page starts where it always does.
const address = (() => {
  const LONGEST = 32;
  const MOST_EXAMPLES = 64;
  const LABEL = "label:";
  const ID = /^\d{1,15}$/;
  // The page's own links past its controls, clicked before its script took them over.
  const NOTHING = new Set(["", "#", "#hits-title", "#map-title"]);
  const IDS = /^\d{1,15}(?:,\d{1,15})*$/;
  // By field of the filters: what may stand there.
  const FILTERS = {
    score: /^(?:0(?:\.\d{1,2})?|1(?:\.0{1,2})?)$/,
    low: /^\d{1,5}$/,
    high: /^\d{1,5}$/,
    name: /^[^]{1,200}$/,
    image: /^\d{1,12}$/,
  };

  // {id, like, unlike, trail, filters}: like and unlike are ids of further examples and of
  // counter-examples. null where the address says nothing; undefined where it cannot be understood.
  const read = (hash) => {
    if (NOTHING.has(hash)) return null;
    const said = { id: null, like: [], unlike: [], trail: [], filters: { labels: Object.create(null) } };
    for (const [key, value] of new URLSearchParams(hash.slice(1))) {
      if (key === "person" && ID.test(value)) said.id = Number(value);
      else if (["like", "unlike", "trail"].includes(key) && IDS.test(value)) {
        said[key] = value.split(",").map(Number);
      } else if (Object.hasOwn(FILTERS, key) && FILTERS[key].test(value)) {
        said.filters[key] = value;
      } else if (key.startsWith(LABEL)) said.filters.labels[key.slice(LABEL.length)] = value;
      else return undefined;
    }
    for (const key of ["like", "unlike"]) said[key] = said[key].slice(0, MOST_EXAMPLES);
    said.trail = said.trail.slice(-LONGEST);
    return said;
  };

  const write = ({ id, like, unlike, trail, filters }) => {
    const fields = [["person", id]];
    if (like.length) fields.push(["like", like]);
    if (unlike.length) fields.push(["unlike", unlike]);
    for (const key of Object.keys(FILTERS)) {
      if (filters[key]) fields.push([key, encodeURIComponent(filters[key])]);
    }
    for (const [kind, value] of Object.entries(filters.labels)) {
      fields.push([encodeURIComponent(LABEL + kind), encodeURIComponent(value)]);
    }
    if (trail.length) fields.push(["trail", trail.slice(-LONGEST)]);
    return `#${fields.map(([key, value]) => `${key}=${value}`).join("&")}`;
  };

  return { read, write };
})();
