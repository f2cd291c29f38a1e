// The networks beside the page: read once, when they are first needed, and run by a worker. Both a
// page from disk and one from a host load them as scripts, as they load all data.
const ownNetworks = (() => {
  const { own_pictures: facts } = persons.facts;
  // Of all runs of the page; rejected ones are forgotten, so that one may try again.
  let opening = null;
  let ready = false;

  const bytes = async (name) => {
    const packed = new Blob([chunks.bytes(await chunks.data(name, false))]);
    const unpacked = packed.stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(unpacked).arrayBuffer();
  };

  // Starts the worker. ask: a question and what moves there with it; one at a time.
  const started = () => {
    const text = new Blob([`(${ownWorker})(self, (${resampler})());`], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(text));
    let pending = null;
    let last = Promise.resolve();
    worker.addEventListener("message", ({ data }) => {
      if ("trouble" in data) pending.reject(new Error(data.trouble));
      else pending.resolve(data.answer);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      pending?.reject(new Error(event.message || "it does not start web workers"));
    });
    const ask = (question, moved = []) => {
      const answered = last.then(() => {
        pending = Promise.withResolvers();
        worker.postMessage(question, moved);
        return pending.promise;
      });
      last = answered.catch(() => {});
      return answered;
    };
    return { ask, stop: () => worker.terminate() };
  };

  const read = async () => {
    const names = ["describe", ...(facts.find ? ["find"] : [])];
    const [script, wasm, ...networks] = await Promise.all(
      ["runtime", "wasm", ...names].map((name) => bytes(`own-${name}`)),
    );
    const worker = started();
    const given = Object.fromEntries(names.map((name, i) => [name, networks[i]]));
    try {
      await worker.ask({ ask: "open", script, wasm, networks: given, facts }, [
        script,
        wasm,
        ...networks,
      ]);
    } catch (error) {
      worker.stop();
      throw new Error(`This browser cannot run the networks: ${error.message}`, { cause: error });
    }
    return worker.ask;
  };

  const open = () => {
    if (!opening) {
      opening = read();
      opening.then(
        () => {
          ready = true;
        },
        () => {
          opening = null;
        },
      );
    }
    return opening;
  };

  const isReady = () => ready;

  // What will be needed soon; a failure is told when it is needed.
  const warm = () => {
    open().catch(() => {});
  };

  // Boxes that are asked for afterwards are of this picture. image: an ImageData.
  const take = async ({ data, width, height }) => {
    const ask = await open();
    const pixels = data.slice().buffer;
    return ask({ ask: "take", pixels, width, height }, [pixels]);
  };

  // Persons by falling score: [{score, box}], boxes as corners in pixels.
  const find = async () => (facts.find ? (await open())({ ask: "find" }) : []);

  // The vector of a box, float32, as the index has those of the persons.
  const describe = async (box) => (await open())({ ask: "describe", box });

  return { facts, isReady, warm, take, find, describe };
})();
