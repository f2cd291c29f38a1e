// Tells screen readers what has happened.
const announce = (() => {
  // While the dialog is open, all outside it is silent.
  const region = () =>
    document.querySelector("dialog[open] .said") ?? document.querySelector("body > .said");

  const say = (text) => {
    const said = region();
    said.textContent = "";
    // Emptied first, so that the same text is said again.
    setTimeout(() => {
      said.textContent = text;
    }, 50);
  };

  return { say };
})();
