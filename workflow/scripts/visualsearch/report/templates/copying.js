// Buttons that copy a person's id.
const copying = (() => {
  const SHOWN_MS = 1600;

  // Where the clipboard is refused, as in a frame: what the user selects can still be copied.
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

  // Its data-copy says what is copied, its .sign what has happened.
  const bind = (button) => {
    const sign = button.querySelector(".sign");
    let timer = 0;
    button.addEventListener("click", async () => {
      const text = button.dataset.copy;
      const done = await copy(text);
      announce.say(done ? `Person id ${text} copied` : `Not copied: person id ${text}`);
      sign.textContent = done ? "copied" : "failed";
      clearTimeout(timer);
      timer = setTimeout(() => {
        sign.textContent = "copy";
      }, SHOWN_MS);
    });
  };

  return { bind };
})();
