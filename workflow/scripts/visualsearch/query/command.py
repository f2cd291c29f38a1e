"""The command `visualsearch query`: what it prints, and the page that it writes."""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from visualsearch.core.errors import InputError
from visualsearch.core.files import write_text
from visualsearch.core.job import OneLineFormatter
from visualsearch.core.light_pyarrow import spare_pandas
from visualsearch.core.text import one_line
from visualsearch.data.shown import shown_box, shown_score
from visualsearch.query.page import render_page
from visualsearch.query.run import read_run
from visualsearch.query.searching import search_pictures
from visualsearch.report.describing import marks
from visualsearch.report.loading import shown_queries, stored_pictures
from visualsearch.report.model import Person, Query
from visualsearch.settings.values import BOX, given_box

log = logging.getLogger(__name__)

# A picture's name in that of the page. File systems allow 255 bytes.
LONGEST_NAME = 50


def run(options: argparse.Namespace) -> None:
    """Run the command. Ends the process with a line on stderr and status 1 for a user's error."""
    # Python would search all objects for cycles at exit, which takes most of a second with torch.
    atexit.register(gc.freeze)
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(OneLineFormatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("visualsearch")
    logger.addHandler(to_terminal)
    logger.propagate = False
    spare_pandas()
    try:
        _query(options)
    except InputError as error:
        log.error("%s", one_line(str(error)))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        logger.removeHandler(to_terminal)
        logger.propagate = True


def _query(options: argparse.Namespace) -> None:
    given = _given(options.pictures, options.box)
    # The results first: only then is it known that a page must not lie in that folder.
    finished = read_run(options.results, options.weights)
    _check_output(options.output, options.results)
    # It is done while the network computes, which leaves a core free.
    is_outdated = ThreadPoolExecutor(1).submit(finished.is_outdated)
    found = search_pictures(finished, given, options.persons)
    reasons = [f"{entry.file}: {entry.reason}" for entry in found.skipped]
    if not len(found.queries):
        raise InputError(". ".join(reasons))
    for reason in reasons:
        log.warning("%s", reason)
    if is_outdated.result():
        log.warning(
            "the code of this workflow has changed since the run in %s, so a new run may find "
            "other hits; snakemake --cores all with its configuration updates the results",
            options.results,
        )
    query_rows, hit_rows = found.queries.to_pylist(), found.hits.to_pylist()
    image_ids = {row["image_id"] for row in hit_rows}
    manifest, folder = finished.files["manifest"], finished.pictures_folder
    stored = stored_pictures(manifest, image_ids, folder, finished.dataset)
    queries = shown_queries(query_rows, hit_rows, stored)
    output = _write_page(options.output, given[0], render_page(finished, queries))
    lines = [_as_json(output, queries)] if options.json else _lines(output, queries)
    _print(lines)


def _given(pictures: Sequence[str], boxes: Sequence[str]) -> list[str]:
    """Return the pictures, with a box or without, as queries.images has them."""
    for picture in pictures:
        if not _is_text(picture):
            raise InputError(
                f"{picture}: this name is not UTF-8, so no page can show it; rename it"
            )
        try:
            has_box = given_box(picture) is not None
        except ValueError as error:
            raise InputError(f"{picture}: {error}; write it as in me.jpg{BOX}10,20,30,40") from None
        if boxes and (has_box or len(pictures) > 1):
            raise InputError(
                "--box is for one picture without a box; for several, append a box to each, as in "
                f"me.jpg{BOX}10,20,30,40"
            )
    return [f"{pictures[0]}{BOX}{box}" for box in boxes] or list(pictures)


def _is_text(name: str) -> bool:
    """Whether a name can be written; Python has bytes that are not UTF-8 as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _check_output(given: Path | None, results: Path) -> None:
    if given and given.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output: {given} must end in .html, so that no other file is replaced")
    folder = given.parent if given else Path()
    if folder.resolve().is_relative_to(results.resolve()):
        raise InputError(
            f"{given or 'the page'} would lie in {results}, where nothing may be changed; give "
            "another place: --output FILE"
        )


def _write_page(given: Path | None, picture: str, page: str) -> Path:
    """Write the page to the given file, or to a new one in this folder. Returns its path."""
    names = _names(picture)
    output = given or next(names)
    try:
        # Created first, so that a query which runs at the same time takes another name.
        while given is None and not _create(output):
            output = next(names)
        write_text(output, page)
    except (InputError, OSError) as error:
        if given is None:
            with suppress(OSError):
                output.unlink()
        # write_text's own advice is to move the results, which would not help here.
        cause = error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(
            f"{output} cannot be written ({reason}); give another place: --output FILE"
        ) from error
    return output


def _names(picture: str) -> Iterator[Path]:
    stem = Path(picture.partition(BOX)[0]).stem
    name = re.sub(r"[^\w.-]+", "-", stem)[:LONGEST_NAME]
    yield Path(f"query-{name}.html")
    for number in count(2):
        yield Path(f"query-{name}-{number}.html")


def _create(path: Path) -> bool:
    """Create an empty file. Returns False if the name is taken."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _print(lines: Iterable[str]) -> None:
    try:
        print("\n".join(lines), flush=True)
    except OSError as error:
        # Python would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # A reader that has seen enough, such as head, is no error.
        if not isinstance(error, BrokenPipeError):
            raise InputError(f"the hits cannot be printed ({error.strerror})") from error


def _lines(output: Path, queries: Sequence[Query]) -> Iterator[str]:
    for query in queries:
        reason = query.reason.removeprefix("your own picture, ")
        facts = [reason, f"box {_shown(query.person)}"]
        if query.person.score is not None:
            facts.insert(1, f"score {query.person.score:.2f}")
        yield one_line(f"{query.person.picture.file}: {', '.join(facts)}")
        yield f"{'rank':>4}  {'cosine':>6}  {'person id':>15}  {'box':<28}  file"
        for hit in query.hits:
            marked = f"  ({', '.join(marks(hit))})" if marks(hit) else ""
            yield one_line(
                f"{hit.rank:>4}  {hit.shown_similarity:>6.3f}  {hit.person.person_id:>15}  "
                f"{_shown(hit.person):<28}  {hit.person.picture.file}{marked}"
            )
        yield ""
    yield f"Gallery  {output.resolve().as_uri()}"


def _shown(person: Person) -> str:
    return ",".join(f"{side:g}" for side in shown_box(person.box))


def _as_json(output: Path, queries: Sequence[Query]) -> str:
    def person(shown: Person) -> dict[str, Any]:
        return {
            "file": shown.picture.file,
            "box": shown_box(shown.box),
            "score": shown_score(shown.score),
        }

    found = [
        {
            **person(query.person),
            "reason": query.reason,
            "hits": [
                {
                    "rank": hit.rank,
                    "similarity": hit.similarity,
                    "full_similarity": hit.full_similarity,
                    "person_id": hit.person.person_id,
                    "image_id": hit.person.picture.image_id,
                    **person(hit.person),
                    "same_image": hit.same_image,
                    "near_duplicate": hit.near_duplicate,
                }
                for hit in query.hits
            ],
        }
        for query in queries
    ]
    return json.dumps({"page": str(output.resolve()), "queries": found}, indent=2)
