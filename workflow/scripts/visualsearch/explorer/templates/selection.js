// The persons that the reader chose on the map, to look at, to search within, and to take away.
const selection = (() => {
  const listeners = [];
  // rows: 1 for each person that is selected, by row; null if nobody is.
  const state = { rows: null, count: 0 };

  const tell = () => listeners.forEach((listener) => listener());

  const set = (mask) => {
    const count = mask.reduce((sum, one) => sum + one, 0);
    state.rows = count ? mask : null;
    state.count = count;
    tell();
  };

  const clear = () => {
    if (state.rows === null) return;
    Object.assign(state, { rows: null, count: 0 });
    tell();
  };

  return {
    get rows() {
      return state.rows;
    },
    get count() {
      return state.count;
    },
    set,
    clear,
    // listener: called after each change, in the order in which they were given.
    onChange: (listener) => listeners.push(listener),
  };
})();
