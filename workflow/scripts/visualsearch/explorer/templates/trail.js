// The path of clicks: as pictures to go back to, and as an address to share.
const trail = (() => {
  const LONGEST = 32;
  const ADDRESS = /^#person=(\d{1,15})(?:&trail=(\d{1,15}(?:,\d{1,15})*))?$/;
  const list = document.getElementById("trail");

  // null where the address names nobody; undefined where it cannot be understood.
  const read = (hash) => {
    if (hash === "" || hash === "#") return null;
    const [, id, steps] = ADDRESS.exec(hash) ?? [];
    if (!id) return undefined;
    const ids = (steps ? steps.split(",") : []).map(Number);
    return { id: Number(id), trail: ids.slice(-LONGEST) };
  };

  const write = (id, ids) => {
    const steps = ids.slice(-LONGEST).join();
    return `#person=${id}${steps && `&trail=${steps}`}`;
  };

  // steps: [{id, row}], oldest first, the person now shown last. back: called with a step's place.
  const show = (steps, back) => {
    const drawn = [];
    const items = steps.map(({ id, row }, i) => {
      const canvas = thumbnails.make();
      drawn.push(thumbnails.draw(canvas, row));
      if (i === steps.length - 1) {
        const here = elements.make("span", { class: "step", role: "img" }, canvas);
        here.setAttribute("aria-label", `id ${id}, shown now`);
        return elements.make("li", { "aria-current": "true" }, here);
      }
      const button = elements.make("button", { type: "button", class: "step" }, canvas);
      button.setAttribute("aria-label", `Back to id ${id}`);
      button.title = `Back to id ${id}`;
      button.addEventListener("click", () => back(i));
      return elements.make("li", {}, button);
    });
    list.replaceChildren(...items);
    document.getElementById("trail-clear").hidden = steps.length < 2;
    document.getElementById("trail-text").hidden = steps.length > 1;
    // When the list has the room that these leave.
    list.scrollLeft = list.scrollWidth;
    return Promise.all(drawn);
  };

  return { read, write, show };
})();
