// What is behind a hit: its whole picture with all boxes, its file, its licence.
const behind = (() => {
  const { facts } = persons;
  const part = (name) => document.getElementById(`behind-${name}`);
  const dialog = document.getElementById("behind");
  const listeners = {};
  // What can be stepped through, the query first: [{row, hit}].
  let views = [];
  let at = 0;
  let turn = 0;

  // From disk, the user's own files can be reached from the page; a host has only this folder.
  const isOnDisk = location.protocol === "file:";
  const ownFile = ({ file }) => {
    if (!isOnDisk || facts.own_files === undefined || !file.isWellFormed()) return null;
    return `./${facts.own_files}/${file.split("/").map(encodeURIComponent).join("/")}`;
  };

  const fileLink = (detail) => {
    const address = ownFile(detail);
    if (address === null) return detail.name;
    return elements.make("a", { href: address, title: `Open ${detail.name}` }, detail.name);
  };

  const wholePicture = (detail) =>
    facts.whole_pictures
      ? `pictures/${String(detail.picture).padStart(4, "0")}.webp`
      : ownFile(detail);

  const headingOf = ({ hit }) => (hit ? `Neighbour ${hit.rank}` : "Query");

  const showStage = (detail, others) => {
    const address = wholePicture(detail);
    part("stage").hidden = address === null;
    part("missing").textContent =
      address === null
        ? "This explorer holds no whole pictures. To see them, set explorer.pictures: true and build it again."
        : "";
    if (address === null) return;
    part("stage").style.setProperty("--ratio", detail.width / detail.height);
    part("picture").src = address;
    part("picture").alt = `Whole picture ${detail.name}`;
    boxes.draw(part("boxes"), detail, detail.box, others);
  };

  const show = async (place) => {
    at = place;
    turn += 1;
    const own = turn;
    const view = views[at];
    const [detail, all] = await Promise.all([
      persons.details(view.row),
      persons.inPicture(view.row),
    ]);
    if (own !== turn) return;
    const others = all.filter(({ row }) => row !== view.row).map(({ box }) => box);
    part("heading").textContent = headingOf(view);
    showStage(detail, others);
    part("facts").replaceChildren(
      ...(view.hit
        ? [elements.fact("similarity", words.decimals(view.hit.similarity, 3))]
        : []),
      elements.fact(`${facts.things[0]} id`, String(detail.id)),
      ...gallery.factsOf(detail),
      ...(others.length ? [elements.fact("others in it", `${others.length}, with thin boxes`)] : []),
    );
    part("search").hidden = !view.hit;
    part("only").textContent = `Search in this picture only (${detail.many})`;
    part("only").dataset.image = detail.image;
    part("back").setAttribute("aria-disabled", at === 0);
    part("next").setAttribute("aria-disabled", at === views.length - 1);
    if (!dialog.open) {
      dialog.showModal();
      // The focus must not scroll the picture out of a low window.
      focus.to(part("close"));
      dialog.scrollTop = 0;
    }
  };

  const step = (by) => {
    const place = at + by;
    if (place >= 0 && place < views.length) show(place).catch(listeners.fail);
  };

  // hit: one of the gallery, or null for the query.
  const open = (hit) => {
    views = [
      { row: gallery.rowOf(), hit: null },
      ...gallery.visible().map((one) => ({ row: one.row, hit: one })),
    ];
    show(hit ? hit.rank : 0).catch(listeners.fail);
  };

  // search: a person was chosen. fail: called with what could not be read.
  const bind = (given) => {
    Object.assign(listeners, given);
    leafing.bind(dialog, part, step);
    part("picture").addEventListener("error", () => {
      part("stage").hidden = true;
      part("missing").textContent =
        `${part("picture").getAttribute("src")} could not be shown. It may have been moved, or ` +
        "this browser cannot show its format.";
    });
    part("search").addEventListener("click", () => {
      dialog.close();
      listeners.search(views[at].row);
    });
    part("only").addEventListener("click", () => {
      dialog.close();
      filters.onlyPicture(part("only").dataset.image);
    });
    // The reader goes on from the one seen last, which need not be the one opened first.
    dialog.addEventListener("close", () => gallery.focusOn(views[at].hit?.rank ?? 0));
  };

  return { bind, open, fileLink };
})();
