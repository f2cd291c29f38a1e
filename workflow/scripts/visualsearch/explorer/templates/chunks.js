// The files beside the page, each read once and only when asked for. A page opened from disk may
// not fetch, so data come as scripts that call `chunks.receive`, and pictures as images.
const chunks = (() => {
  const files = new Map();
  const received = new Map();

  const missing = (file) =>
    new Error(
      `${file} could not be read. The explorer is a folder: index.html needs data/ and ` +
        "thumbnails/ beside it. Copy the whole folder, then reload this page.",
    );

  // A file that failed is tried again when it is next asked for.
  const once = (file, read) => {
    if (!files.has(file)) {
      const promise = read(file);
      promise.catch(() => files.delete(file));
      files.set(file, promise);
    }
    return files.get(file);
  };

  const receive = (name, content) => received.set(name, content);

  const wanted = (name) =>
    once(`data/${name}.js`, (file) => {
      const { promise, resolve, reject } = Promise.withResolvers();
      const script = elements.make("script", { src: file });
      script.addEventListener("error", () => reject(missing(file)));
      script.addEventListener("load", () => {
        if (received.has(name)) resolve(received.get(name));
        else reject(missing(file));
        received.delete(name);
        script.remove();
      });
      document.head.append(script);
      return promise;
    });

  // keep: false for what is large and handed on; read again, it comes from disk again.
  const data = async (name, keep = true) => {
    const content = await wanted(name);
    if (!keep) files.delete(`data/${name}.js`);
    return content;
  };

  const picture = (name) =>
    once(`thumbnails/${name}.webp`, async (file) => {
      const image = new Image();
      image.src = file;
      try {
        await image.decode();
      } catch {
        throw missing(file);
      }
      return image;
    });

  // Base64 as bytes, for typed arrays: those of every browser's machine are little-endian too.
  const bytes = (text) => {
    const binary = atob(text);
    const made = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i += 1) made[i] = binary.charCodeAt(i);
    return made.buffer;
  };

  return { receive, data, picture, bytes };
})();
