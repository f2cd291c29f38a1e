// Buttons that copy a person's id.
const copying = (() => {
  const SHOWN_MS = 1600;

  // Its data-copy says what is copied, its .sign what has happened.
  const bind = (button) => {
    const sign = button.querySelector(".sign");
    let timer = 0;
    button.addEventListener("click", async () => {
      const text = button.dataset.copy;
      const done = await clipboard.copy(text);
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
