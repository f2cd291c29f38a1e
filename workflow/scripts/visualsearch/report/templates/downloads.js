// All hits as files, whatever the filters hide: the table of the report's folder, and its values.
const downloads = (() => {
  const save = (name, type, text) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = elements.make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    // Not at once: the browser reads it after the click.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };

  const makers = {
    csv: ({ csv }) => save("hits.csv", "text/csv", csv),
    json: ({ rows }) => save("hits.json", "application/json", `${JSON.stringify(rows, null, 2)}\n`),
  };

  const bind = () => {
    for (const button of document.querySelectorAll("button[data-download]")) {
      button.addEventListener("click", () => {
        makers[button.dataset.download](galleries.read("downloads"));
        announce.say(`hits.${button.dataset.download} saved`);
      });
    }
  };

  return { bind };
})();
