// Crops, or each in its whole picture with its box drawn.
const context = (() => {
  // Made when first wanted: no picture is decoded for nothing.
  const whole = (view, crop) => {
    const picture = galleries.pictureOf(view);
    const drawing = elements.svg("svg", { "aria-hidden": "true" });
    boxes.draw(drawing, picture, view.box);
    const image = elements.make("img", {
      src: picture.url,
      width: picture.width,
      height: picture.height,
      alt: `In its picture: ${crop.querySelector("img").alt}`,
    });
    const made = elements.make("span", { class: "whole" }, image, drawing);
    made.style.setProperty("--ratio", picture.width / picture.height);
    return made;
  };

  const apply = (inContext) => {
    document.getElementById("galleries").classList.toggle("in-context", inContext);
    if (!inContext) return;
    galleries.each((view, crop) => {
      if (!crop.querySelector(".whole")) crop.append(whole(view, crop));
    });
  };

  const bind = () => {
    for (const choice of document.querySelectorAll("input[name=view]")) {
      const choose = () => choice.checked && apply(choice.value === "context");
      choice.addEventListener("change", choose);
      // A browser that comes back to the page may have kept what was chosen.
      choose();
    }
  };

  return { bind };
})();
