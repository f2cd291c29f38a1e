// Boxes drawn over a picture: one that is meant, and faintly those of others in it.
const boxes = (() => {
  // Two lines each, so that a box is seen on any picture.
  const lines = (kind, [x, y, width, height]) =>
    ["under", "over"].map((line) =>
      elements.svg("rect", { class: `${kind} ${line}`, x, y, width, height }),
    );

  // svg: lies over the whole picture. picture: its width and height are the boxes' units.
  const draw = (svg, picture, box, others = []) => {
    svg.setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
    svg.replaceChildren(...others.flatMap((other) => lines("other", other)), ...lines("own", box));
  };

  return { draw };
})();
