// Numbers and sentences as readers see them.
const words = (() => {
  const number = (value) => value.toLocaleString("en-US");
  const decimals = (value, places = 2) => value.toFixed(places).replace("-", "−");
  // things: the word for one and for many.
  const count = (many, things) => `${number(many)} ${things[many === 1 ? 0 : 1]}`;
  return { number, decimals, count };
})();
