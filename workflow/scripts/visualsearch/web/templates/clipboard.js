// Copies text, also where the clipboard is refused.
const clipboard = (() => {
  // In a frame, or from a host without https: what the user selects can still be copied.
  const bySelection = (text) => {
    const back = document.activeElement;
    const area = elements.make("textarea", { class: "unseen", readonly: "" }, text);
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    back?.focus({ preventScroll: true });
    return done;
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return bySelection(text);
    }
  };

  return { copy };
})();
