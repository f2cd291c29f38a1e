// Runs the networks in a thread of its own. It gets a question at a time, {ask, ...}, and answers
// {answer} or {trouble}. This function is the whole worker: it is sent there as text, as a page
// opened from disk may load no worker from a file. So it uses nothing from around it.
const ownWorker = (scope, resampling) => {
  let runtime = null;
  let settings = null;
  let picture = null;
  const sessions = {};

  const open = async ({ script, wasm, networks, facts }) => {
    settings = facts;
    if (!runtime) {
      const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      runtime = await import(address);
      URL.revokeObjectURL(address);
      runtime.env.wasm.wasmBinary = wasm;
      // More threads need memory that they share, which browsers give to few pages.
      runtime.env.wasm.numThreads = 1;
    }
    await Promise.all(
      Object.entries(networks).map(async ([name, bytes]) => {
        const options = { executionProviders: ["wasm"] };
        sessions[name] = await runtime.InferenceSession.create(new Uint8Array(bytes), options);
      }),
    );
    return true;
  };

  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);

  const overlap = (one, other) => {
    const wide = Math.max(0, Math.min(one[2], other[2]) - Math.max(one[0], other[0]));
    const high = Math.max(0, Math.min(one[3], other[3]) - Math.max(one[1], other[1]));
    return (wide * high) / (area(one) + area(other) - wide * high);
  };

  // Non-maximum suppression, as detect/ssd_graph.py: of two boxes with a high overlap the one of
  // the lower score goes.
  const selected = (boxes, scores, { overlap: most, score: least, boxes: limit }) => {
    const order = Array.from(scores.keys()).filter((i) => scores[i] >= least);
    order.sort((a, b) => scores[b] - scores[a] || a - b);
    const kept = [];
    for (const i of order) {
      if (kept.length === limit) break;
      const box = Array.from(boxes.subarray(4 * i, 4 * i + 4));
      if (!kept.some((other) => overlap(other.box, box) > most)) kept.push({ box, score: scores[i] });
    }
    return kept
      .map(({ box, score }) => ({ score, box: box.map((edge) => Math.max(0, Math.min(1, edge))) }))
      .filter(({ box }) => area(box) > 0);
  };

  const take = async ({ pixels, width, height }) => {
    picture = { pixels: new Uint8ClampedArray(pixels), width, height };
    return true;
  };

  // Persons by falling score: {score, box: corners in pixels}.
  const find = async () => {
    const { width, height } = picture;
    const { side } = settings.find;
    const scaled = resampling.resize(picture, [0, 0, width, height], side, side);
    const { boxes, scores } = await sessions.find.run({
      pixels: new runtime.Tensor("uint8", new Uint8Array(scaled.buffer), [1, side, side, 3]),
    });
    return selected(boxes.data, scores.data, settings.find).map(({ score, box }) => ({
      score,
      box: box.map((edge, i) => Math.fround(edge * (i % 2 ? height : width))),
    }));
  };

  // The reduced vector of a box of the picture, float32.
  const describe = async ({ box }) => {
    const crop = resampling.crop(picture, box, settings.crop);
    const shape = [1, ...settings.crop.size, 3];
    const { vector } = await sessions.describe.run({
      crop: new runtime.Tensor("uint8", new Uint8Array(crop.buffer), shape),
    });
    return vector.data.slice();
  };

  const answers = { open, take, find, describe };

  scope.addEventListener("message", async ({ data }) => {
    try {
      scope.postMessage({ answer: await answers[data.ask](data) });
    } catch (error) {
      scope.postMessage({ trouble: String(error?.message ?? error) });
    }
  });
};
