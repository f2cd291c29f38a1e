// All hits as files, whatever the filters hide: the table of the report's folder, and its values.
const downloads = (() => {
  const makers = {
    csv: ({ csv }) => saving.save("hits.csv", "text/csv", csv),
    json: ({ rows }) =>
      saving.save("hits.json", "application/json", `${JSON.stringify(rows, null, 2)}\n`),
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
