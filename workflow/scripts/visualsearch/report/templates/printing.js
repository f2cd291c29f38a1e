// Paper needs fewer pixels than screens, and Firefox writes all that a picture has, unpacked.
const printing = (() => {
  const SIDE = 180;
  let replaced = [];

  const smaller = (image) => {
    const scale = Math.min(1, SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    const canvas = elements.make("canvas", {
      width: Math.max(1, Math.round(scale * image.naturalWidth)),
      height: Math.max(1, Math.round(scale * image.naturalHeight)),
      role: "img",
      "aria-label": image.alt,
    });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
  };

  // At once, as the browser prints what is there when this returns.
  const shrink = () => {
    const images = [...document.querySelectorAll(".crop img")].filter(
      (image) => image.naturalWidth && image.checkVisibility(),
    );
    replaced = images.map((image) => [image, smaller(image)]);
    for (const [image, canvas] of replaced) image.replaceWith(canvas);
  };

  const restore = () => {
    for (const [image, canvas] of replaced) canvas.replaceWith(image);
    replaced = [];
  };

  const bind = () => {
    addEventListener("beforeprint", shrink);
    addEventListener("afterprint", restore);
  };

  return { bind };
})();
