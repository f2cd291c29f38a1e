// Numbers and sentences as readers see them.
const words = (() => {
  const number = (value) => value.toLocaleString("en-US");
  const decimals = (value, places = 2) => value.toFixed(places).replace("-", "−");
  // things: the word for one and for many.
  const count = (many, things) => `${number(many)} ${things[many === 1 ? 0 : 1]}`;
  // As two texts are compared that read the same: a Mac writes letters and their accents apart.
  const folded = (text) => text.normalize().toLowerCase();
  return { number, decimals, count, folded };
})();
