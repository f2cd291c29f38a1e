// The focus stays where it was, or goes to a part that the reader can go on from: never to the
// body of the page, from where a keyboard starts over.
const focus = (() => {
  const isLost = (element) =>
    !element.isConnected ||
    element.disabled === true ||
    !element.checkVisibility({ visibilityProperty: true });

  const to = (element) => element.focus({ preventScroll: true });

  // task: changes the page, at once. otherwise: the element that takes the focus if what had it is
  // gone then, hidden or out of use.
  const during = (task, otherwise) => {
    const held = document.activeElement;
    const result = task();
    if (held === document.body || held === null) return result;
    if (isLost(held)) to(otherwise);
    // Moving list items takes the focus away from them.
    else if (held !== document.activeElement) to(held);
    return result;
  };

  return { to, during };
})();
