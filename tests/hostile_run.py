"""A run whose every text from outside was made to do harm in a page."""

import json
from itertools import cycle
from pathlib import Path

import pyarrow as pa

from report_run import Run
from visualsearch.data.manifest import MANIFEST_SCHEMA, read_manifest
from visualsearch.data.skipped import Skipped, write_skipped
from visualsearch.data.tables import read_table, write_table

TEXTS = (
    '"><script>window.hacked = 1</script>',
    "' onmouseover='window.hacked = 1' x='",
    "</script></style></textarea><svg onload=window.hacked=1>",
    "--><img src=x onerror=window.hacked=1><!--",
    "[a](javascript:window.hacked=1) ![b](x) <javascript:window.hacked=1> `c` | *d*",
    "a\n\n# A heading\n\n<script>window.hacked = 1</script>\n",
    "{{ 7 * 7 }}{% raise %}${7 * 7}",
    "javascript:window.hacked=1",
    "\u2028\u2029\x1b[2J\x07\u202e",
    "&lt;script&gt;&#60;img src=x onerror=window.hacked=1&#62;",
)
# None of these is to become an address.
NO_ADDRESSES = (
    "javascript:window.hacked=1",
    " JaVaScRiPt:window.hacked=1",
    "java\nscript:window.hacked=1",
    "data:text/html,<script>window.hacked=1</script>",
    "vbscript:x",
    "//evil.example/x",
    "file:///etc/passwd",
    "https:window.hacked=1",
)
# These may, and nothing but that.
ADDRESSES = (
    'https://a.example/" onclick="window.hacked=1',
    "https://a.example/'><script>window.hacked=1</script>",
    "https://a.example/) [b](javascript:window.hacked=1",
    "https://a.example/>\n# A heading",
)
# As many, so that a page of them has the same parts.
HARMLESS = tuple(f"text {n}" for n in range(len(TEXTS)))


def report_of(
    run: Run,
    out: Path,
    texts: tuple[str, ...] = TEXTS,
    addresses: tuple[str | None, ...] = (*NO_ADDRESSES, *ADDRESSES),
) -> Path:
    """The report of a run in which these texts and addresses stand wherever a file says them."""
    out.mkdir(parents=True)
    said, linked = cycle(texts), cycle(addresses)
    table = read_manifest(run.folder / "manifest.parquet")
    rows = table.to_pylist()
    for row in rows:
        row |= {"license": next(said), "license_url": next(linked), "source_url": next(linked)}
        row["labels"] = json.dumps({f"{n} {next(said)}": next(said) for n in range(3)})
    made = {"manifest": str(out / "manifest.parquet")}
    write_table(made["manifest"], [pa.Table.from_pylist(rows, MANIFEST_SCHEMA)], MANIFEST_SCHEMA)
    for name in ("skipped", "skipped_queries"):
        made[name] = str(out / f"{name}.tsv")
        # As many of each, as alike reasons are counted together.
        entries = [Skipped(None, f"{n} {next(said)}", f"{n} {next(said)}") for n in range(10)]
        write_skipped(made[name], entries)
    made["queries"] = str(out / "queries.parquet")
    queries = read_table(run.files().queries)
    asked = [row | {"role": next(said), "reason": next(said)} for row in queries.to_pylist()]
    write_table(made["queries"], [pa.Table.from_pylist(asked, queries.schema)], queries.schema)
    title = {"title": next(said), "thumbnail_height": 64}
    return run.report(out / "report", files=run.files(**made), report=title)
