// Hands a file that the page made to the reader. Works from disk too.
const saving = (() => {
  // Returns the file's name.
  const save = (name, type, text) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = elements.make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    // Not at once: the browser reads it after the click.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    return name;
  };

  return { save };
})();
