"""How good and how fast the search in the explorer's page is; `explorer.py` prints it."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import table

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Persons that are searched for by rounded vectors, and the neighbours compared.
ASKED, NEIGHBOURS = 2000, 10
SEARCHES = 20
# Two examples each: such a query is searched for among all persons. Gives the milliseconds from
# asking to the answer, of the first with reading, and of all others.
SEARCH = """async (searches) => {
  const { first_ids: ids, persons } = JSON.parse(document.getElementById("facts").textContent);
  const done = () => performance.getEntriesByName("search");
  const start = performance.now();
  let first = 0;
  for (let n = 0; n < searches; n += 1) {
    const pair = [n % ids.length, (n * 7 + 1) % ids.length].map((at) => ids[at]);
    const before = done().length;
    location.hash = `#person=${pair[0]}&like=${pair[1] === pair[0] ? pair[0] + 1 : pair[1]}`;
    while (done().length === before) await new Promise((next) => setTimeout(next, 5));
    first ||= performance.now() - start;
  }
  const [read] = performance.getEntriesByName("vectors");
  return { persons, first, read: read.duration, all: done().map((entry) => entry.duration) };
}"""


def recall(results: Path) -> str:
    """Neighbours by the page's rounded vectors against those of the tables; a table."""
    from visualsearch.core.statistics import evenly_spaced
    from visualsearch.data.person_order import vectors_of_rows
    from visualsearch.data.tables import count_rows
    from visualsearch.explorer.vectors import quantised, restored, scales_of
    from visualsearch.index.nearest import BATCH_ROWS, Nearest, share_found

    reduced = sorted(map(str, (results / "reduced").glob("*.parquet")))
    vectors = vectors_of_rows(reduced, np.arange(count_rows(reduced)))
    scales = scales_of([vectors])
    near = restored(quantised(vectors, scales), scales)
    asked = evenly_spaced(len(vectors), min(ASKED, len(vectors)))

    def nearest(queries: np.ndarray, among: np.ndarray) -> Nearest:
        found = Nearest(queries[asked], NEIGHBOURS, asked)
        for start in range(0, len(among), BATCH_ROWS):
            found.add(among[start : start + BATCH_ROWS])
        return found

    truth = nearest(vectors, vectors)
    rows: list[list[Any]] = []
    for name, queries in (("as in the tables", vectors), ("of the page, rounded too", near)):
        found = nearest(queries, near)
        share = share_found(truth.neighbours, found.neighbours).mean()
        pairs = (np.repeat(asked, NEIGHBOURS), found.neighbours.ravel())
        own = np.einsum("nd,nd->n", *(vectors[rows] for rows in pairs))
        off = np.abs(found.cosines.ravel() - own).max()
        rows.append([name, f"{share:.4f}", f"{off:.4f}"])
    title = f"{len(asked):,} of {len(vectors):,} persons, the query's vector"
    return table([title, f"recall@{NEIGHBOURS}", "cosine off by at most"], rows)


def searching(page: "Page") -> Iterator[tuple[str, str]]:
    """What searching in the page costs a reader, as (what, how much). page: ready."""
    found = page.evaluate(SEARCH, SEARCHES)
    yield "reading the vectors", f"{found['read']:.0f} ms"
    yield "first search, with reading", f"{found['first']:.0f} ms"
    middle, most = statistics.median(found["all"]), max(found["all"])
    answer = f"{middle:.0f} ms, at most {most:.0f} of {len(found['all'])}"
    yield f"answer from all {found['persons']:,} persons", answer
