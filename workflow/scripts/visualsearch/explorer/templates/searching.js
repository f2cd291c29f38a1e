// Searches among everybody, or among those who are allowed. The vectors are read when first needed.
const searching = (() => {
  const { facts, count } = persons;
  // So many files are on their way at a time.
  const AT_ONCE = 4;
  const files = Math.ceil(count / facts.chunk.vectors);
  const waiting = new Map();
  let worker = null;
  let turn = 0;
  let opening = null;
  let progress = () => {};

  const failed = () =>
    new Error("This browser does not start web workers. Filters and examples need one to search.");

  const ask = (task, content) => {
    turn += 1;
    const { promise, resolve, reject } = Promise.withResolvers();
    waiting.set(turn, { resolve, reject });
    worker.postMessage({ task, turn, content });
    return promise;
  };

  const startWorker = () => {
    const text = new Blob([`(${searcher})(self);`], { type: "text/javascript" });
    const address = URL.createObjectURL(text);
    worker = new Worker(address);
    worker.addEventListener("message", ({ data }) => {
      waiting.get(data.turn).resolve(data.answer);
      waiting.delete(data.turn);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const { reject } of waiting.values()) reject(failed());
      waiting.clear();
    });
  };

  const read = async () => {
    startWorker();
    progress(0, files);
    const scales = new Float32Array(chunks.bytes(await chunks.data("scales")));
    await ask("open", { count, scales, ...facts.code, perFile: facts.chunk.vectors });
    let [next, done] = [0, 0];
    const line = async () => {
      if (next >= files) return;
      const file = next;
      next += 1;
      const name = `vectors-${String(file).padStart(4, "0")}`;
      const [starts, text] = await chunks.data(name, false);
      await ask("part", { file, starts, text });
      done += 1;
      progress(done, files);
      await line();
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, line));
    await ask("join");
    performance.measure("vectors", { start, end: performance.now() });
  };

  // Once; after a failure it is tried again.
  const open = () => {
    opening ??= read().catch((error) => {
      opening = null;
      worker?.terminate();
      waiting.clear();
      progress(files, files);
      throw error;
    });
    return opening;
  };

  // parts: [{row, or vector: unit vector as numbers, weight}], whose sum is searched for. without,
  // withoutPicturesOf: rows that are left out, and rows whose pictures are. allowed: 1 for each
  // person that may be found, null for all. Returns [{row, rank, similarity, sameImage}].
  const find = async (wanted) => {
    await open();
    const start = performance.now();
    const found = await ask("search", wanted);
    performance.measure("search", { start, end: performance.now() });
    return found.map(({ row, similarity, sameImage }, i) => ({
      row,
      rank: i + 1,
      similarity,
      sameImage,
      nearDuplicate: false,
    }));
  };

  // listener: called with how many of how many files are read.
  const onProgress = (listener) => {
    progress = listener;
  };

  return { find, onProgress };
})();
