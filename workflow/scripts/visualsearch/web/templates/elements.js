// Elements made of text that came from outside: textContent and checked addresses only.
const elements = (() => {
  // attributes: class, title and the like; children: elements or text.
  const make = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // An element of a drawing.
  const svg = (name, attributes = {}) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  const link = (text, url) => {
    if (!/^https?:\/\//i.test(url)) return text;
    return make("a", { href: url, rel: "noreferrer" }, text);
  };

  // A term with its value, as one row of a dl.
  const fact = (term, ...values) =>
    make("div", {}, make("dt", {}, term), make("dd", {}, ...values));

  // agrees: whether the query has the same label.
  const chip = (kind, value, agrees = false) => {
    const made = make("li", { class: agrees ? "chip agrees" : "chip" });
    made.append(agrees ? "✓ " : "", make("span", { class: "kind" }, kind), ` ${value}`);
    if (agrees) made.append(make("span", { class: "unseen" }, ", as in the query"));
    return made;
  };

  const warning = (text) => make("li", { class: "chip warning" }, text);

  return { make, svg, link, fact, chip, warning };
})();
