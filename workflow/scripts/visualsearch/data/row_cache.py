"""Rows that an earlier run computed, so that each picture is detected and embedded once.

Rows are kept under a key that starts with the sha256 of their picture, in a folder that is named by
all that made them: settings, code, weights and packages. They are found again whatever the picture
is called, whatever its shard, and whichever pictures come or go. The folder may be deleted at any
time.

The files are Parquet with checksums. They are written whole, about every 30 seconds, so a killed
job loses no more than that.
"""

import hashlib
import json
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Set
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.core.packages import installed_versions

log = logging.getLogger(__name__)

FOLDER = "cache"
SECONDS_BETWEEN_FILES = 30.0
# 4 MB of vectors with 2048 values.
ROWS_OF_A_FILE = 1024
FILES_TO_JOIN = 64
SHA256_LENGTH = 64
# Packages that decode pictures and compute rows. Not every stage has all.
PACKAGES = ("pillow", "pillow-heif", "numpy", "openvino", "torch", "torchvision")

Item = TypeVar("Item")


class LeftOut(NamedTuple):
    """What is computed of an item that has no rows, as it cannot be used. It is not kept."""

    reason: str


class _Place(NamedTuple):
    """Where the rows of a key are: rows start..stop of a row group."""

    file: Path
    group: int
    start: int
    stop: int


class RowCache:
    """The kept rows of one stage.

    results: the folder of the results, or None to keep nothing. stage: the name of the stage.
    made_by: what decides the rows, as JSON can hold it. schema: of the rows, without the key.
    Rows that something else made are deleted.
    """

    def __init__(
        self, results: str | Path | None, stage: str, made_by: dict[str, Any], schema: pa.Schema
    ) -> None:
        self._columns = schema.names
        self._schema = pa.schema([("key", pa.string()), *schema])
        self._folder: Path | None = None
        self._places: dict[str, _Place] = {}
        self._new: list[pa.Table] = []
        self._added: set[str] = set()
        self._written = time.monotonic()
        if results is None:
            return
        text = json.dumps(
            [made_by, installed_versions(PACKAGES), str(self._schema)], sort_keys=True
        )
        self._folder = Path(results, FOLDER, stage, hashlib.sha256(text.encode()).hexdigest()[:16])
        for other in self._folder.parent.glob("*"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
        for file in sorted(self._folder.glob("*.parquet")):
            self._places |= _places(file)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def rows(self, key: str) -> pa.Table:
        """Return the rows of a key. Raises InputError when their file is damaged."""
        file, group, start, stop = self._places[key]
        rows = _row_group(file, group).slice(start, stop - start).select(self._columns)
        # A row of nulls stands for no rows.
        return rows.slice(1) if rows.column(0).null_count else rows

    def table(self) -> pa.Table:
        """Return all rows, with their `key`."""
        self._forget_damaged(list(self._places))
        groups = _groups(self._places.values())
        return pa.concat_tables([self._schema.empty_table(), *(_row_group(*g) for g in groups)])

    def add(self, key: str, rows: pa.Table) -> None:
        """Keep the rows of a key, once. They are written to disk later, or by `write`."""
        # Copies of a picture have one key, and rows kept twice in a row would be read as one's.
        if self._folder is None or key in self._added:
            return
        self._added.add(key)
        if len(rows):
            keys = pa.array([key] * len(rows), pa.string())
            rows = rows.select(self._columns).add_column(0, "key", keys).cast(self._schema)
        else:
            rows = pa.Table.from_pylist([{"key": key}], self._schema)
        self._new.append(rows)
        late = time.monotonic() - self._written > SECONDS_BETWEEN_FILES
        if late or sum(map(len, self._new)) >= ROWS_OF_A_FILE:
            self.write()

    def write(self) -> None:
        """Write the rows that were added and are not written yet."""
        if self._folder is not None and self._new:
            _write(self._folder, [pa.concat_tables(self._new)], self._schema)
        self._new, self._written = [], time.monotonic()

    def _forget_damaged(self, keys: Iterable[str]) -> None:
        """Delete the files that hold rows of these keys and are damaged."""
        damaged: set[Path] = set()
        for file, group in _groups(self._places[key] for key in keys if key in self):
            if file not in damaged:
                try:
                    _row_group(file, group)
                except InputError as error:
                    log.warning("%s", error)
                    damaged.add(file)
        self._places = {k: place for k, place in self._places.items() if place.file not in damaged}

    def complete(
        self,
        items: Iterable[tuple[str, Item]],
        compute: Callable[[list[Item]], Iterator[pa.Table | LeftOut]],
    ) -> Iterator[tuple[Item, pa.Table | LeftOut]]:
        """Yield each item with its rows, and keep those that had to be computed.

        items: a key, and what its rows are computed from. compute: is given the items whose rows
        are not kept, unless there are none, and yields the rows of each in order.
        """
        items = list(items)
        self._forget_damaged([key for key, _ in items])
        known = {key for key, _ in items if key in self}
        missing = [item for key, item in items if key not in known]
        if known:
            log.info(
                "%d of %d are known from an earlier run", len(items) - len(missing), len(items)
            )
        computed = compute(missing) if missing else iter(())
        try:
            for key, item in items:
                if key in known:
                    yield item, self.rows(key)
                else:
                    rows = next(computed)
                    if isinstance(rows, LeftOut):
                        # Tried again by the next run, which has the reason again.
                        yield item, rows
                        continue
                    self.add(key, rows)
                    yield item, rows.select(self._columns)
            # So that the progress of `compute` ends with its last line.
            next(computed, None)
        finally:
            self.write()


def prune(results: str | Path, pictures: Iterable[str]) -> None:
    """Delete kept rows of other pictures when they are the larger part, and join small files.

    pictures: the sha256 of each picture of the set. No other job may use the cache meanwhile.
    """
    live = set(pictures)
    for folder in sorted(Path(results, FOLDER).glob("*/*")):
        files = sorted(folder.glob("*.parquet"))
        places = [(key, place) for file in files for key, place in _places(file).items()]
        sizes = [(_picture(key) in live, place.stop - place.start) for key, place in places]
        total, kept = sum(size for _, size in sizes), sum(size for shown, size in sizes if shown)
        if places and (2 * kept < total or len(files) > FILES_TO_JOIN):
            groups = list(_groups(place for _, place in places))
            schema = pq.read_schema(groups[0][0])
            try:
                _write(folder, (_live_rows(_row_group(*group), live) for group in groups), schema)
            except InputError as error:
                log.warning("%s", error)
                continue
            for file in files:
                file.unlink(missing_ok=True)
    _row_group.cache_clear()


def _picture(key: str) -> str:
    """Return the sha256 of a key's picture."""
    return key[:SHA256_LENGTH]


def _live_rows(group: pa.Table, live: Set[str]) -> pa.Table:
    return group.filter(pa.array([_picture(key) in live for key in group["key"].to_pylist()]))


def _write(folder: Path, groups: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write a file with a row group for each table, so that the rows of a key stay together."""
    with (
        replacing(folder / f"{secrets.token_hex(8)}.parquet") as temporary,
        pq.ParquetWriter(
            temporary, schema, use_dictionary=False, write_page_checksum=True
        ) as writer,
    ):
        for group in groups:
            if len(group):
                writer.write_table(group, row_group_size=len(group))


def _places(file: Path) -> dict[str, _Place]:
    """Return where the rows of each key of a file are; a file that cannot be read is deleted."""
    places = {}
    try:
        with _open(file) as table:
            for group in range(table.num_row_groups):
                keys = table.read_row_group(group, columns=["key"])["key"].to_numpy()
                starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
                stops = [*starts[1:].tolist(), len(keys)]
                for start, stop in zip(starts.tolist(), stops, strict=True):
                    places[keys[start]] = _Place(file, group, start, stop)
    except (OSError, pa.ArrowException):
        log.warning("%s is damaged and was deleted; its rows are computed again", file)
        file.unlink(missing_ok=True)
        return {}
    return places


def _groups(places: Iterable[_Place]) -> Iterable[tuple[Path, int]]:
    """Return each row group that holds one of these places, once, as a file and a number."""
    return dict.fromkeys((place.file, place.group) for place in places)


# Rows are read in about the order in which they were written.
@lru_cache(maxsize=8)
def _row_group(file: Path, group: int) -> pa.Table:
    try:
        with _open(file) as table:
            return table.read_row_group(group)
    except (OSError, pa.ArrowException) as error:
        file.unlink(missing_ok=True)
        raise InputError(
            f"{file} is damaged ({error}) and was deleted; its rows are computed again"
        ) from error


def _open(file: Path) -> pq.ParquetFile:
    return pq.ParquetFile(file, page_checksum_verification=True)
