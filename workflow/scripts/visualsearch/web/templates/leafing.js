// A dialog that shows one view of several: buttons and arrow keys go on, a click beside it closes.
const leafing = (() => {
  // part: gives the dialog's element of a name. step: shows the view before (-1) or after (1).
  const bind = (dialog, part, step) => {
    const onKey = (event) => {
      if (!dialog.open || event.altKey || event.ctrlKey || event.metaKey) return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) {
        step(by);
        event.preventDefault();
      }
    };

    const isOutside = ({ clientX: x, clientY: y }) => {
      const { left, top, right, bottom } = dialog.getBoundingClientRect();
      return x < left || x > right || y < top || y > bottom;
    };

    // On the document: a click on the picture takes the focus out of the dialog.
    document.addEventListener("keydown", onKey);
    part("back").addEventListener("click", () => step(-1));
    part("next").addEventListener("click", () => step(1));
    part("close").addEventListener("click", () => dialog.close());
    // Text may be selected to beyond the edge: only what begins outside, too, closes.
    let begunOutside = false;
    dialog.addEventListener("pointerdown", (event) => {
      begunOutside = isOutside(event);
    });
    dialog.addEventListener("click", (event) => {
      if (begunOutside && isOutside(event)) dialog.close();
    });
  };

  return { bind };
})();
