// Light or dark: as the reader's system has it, until the reader chooses.
const theme = (() => {
  const CHOICES = ["auto", "light", "dark"];
  const NAMES = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };
  const KEPT = "visual-search-theme";

  // A page opened from disk or inside another may have no storage.
  const kept = () => {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null;
    }
  };

  const keep = (choice) => {
    try {
      localStorage.setItem(KEPT, choice);
    } catch {
      // Chosen for this visit only.
    }
  };

  let choice = CHOICES.includes(kept()) ? kept() : "auto";

  const apply = () => {
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  };

  const isDark = () => {
    if (choice !== "auto") return choice === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  };

  // listener: called with no argument whenever the colours change.
  const bind = (button, listener = () => {}) => {
    const show = () => {
      button.textContent = NAMES[choice];
      button.setAttribute("aria-label", `Colours: ${NAMES[choice].slice(2)}`);
      button.title = "Light or dark: auto follows your system";
    };
    button.addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      keep(choice);
      apply();
      show();
      listener();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
    show();
    button.hidden = false;
  };

  // Before the body is there, so that no page flashes up in the other colours.
  apply();
  return { bind, isDark };
})();
