// The path of clicks, as pictures to go back to.
const trail = (() => {
  const list = document.getElementById("trail");

  // steps: [{id, row}], oldest first, the person now shown last. back: called with a step's place.
  const show = (steps, back) => {
    const drawn = [];
    const items = steps.slice(-33).map(({ id, row }, i, shown) => {
      const canvas = thumbnails.make();
      drawn.push(thumbnails.draw(canvas, row));
      if (i === shown.length - 1) {
        const here = elements.make("span", { class: "step", role: "img" }, canvas);
        here.setAttribute("aria-label", `id ${id}, shown now`);
        return elements.make("li", { "aria-current": "true" }, here);
      }
      const button = elements.make("button", { type: "button", class: "step" }, canvas);
      button.setAttribute("aria-label", `Back to id ${id}`);
      button.title = `Back to id ${id}`;
      button.addEventListener("click", () => back(steps.length - shown.length + i));
      return elements.make("li", {}, button);
    });
    focus.during(() => {
      list.replaceChildren(...items);
      document.getElementById("trail-clear").hidden = steps.length < 2;
    }, document.getElementById("query-title"));
    document.getElementById("trail-text").hidden = steps.length > 1;
    // When the list has the room that these leave.
    list.scrollLeft = list.scrollWidth;
    return Promise.all(drawn);
  };

  return { show };
})();
