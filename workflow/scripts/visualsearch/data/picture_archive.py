"""The pictures of a shard as one zip archive, for jobs that share no disk, or a slow one.

An object in a bucket is complete or absent, and takes one request; thousands of pictures in a
folder are neither. The archive stores them without compression, as pictures are compressed already.
"""

import logging
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.data.images import UnreadableImage, read_file

# A fixed time for every member, the earliest of a zip archive: results must not hold a clock.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
log = logging.getLogger(__name__)


def write_archive(path: str | Path, root: str | Path, files: Iterable[str]) -> None:
    """Write files, whose names are relative to `root`, as an archive: same files, same bytes.

    Raises InputError when one can no longer be read.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file in sorted(files):
            try:
                data = read_file(Path(root, file))
            except UnreadableImage as error:
                raise InputError(
                    f"{Path(root, file)} was usable when fetched and is not now ({error}); rerun"
                ) from error
            archive.writestr(zipfile.ZipInfo(file, FIXED_TIME), data)


@contextmanager
def kept_in_archive(path: str | Path, files: Collection[str]) -> Iterator[Path]:
    """Yield a folder on this machine's own disk for `files`, and write the archive from it.

    The folder begins with what an archive at `path` has of them. The archive is written after an
    error too, so that the next fetch asks only for the rest. A process that is killed leaves the
    archive that was there.
    """
    with tempfile.TemporaryDirectory(prefix="visual-search-") as name:
        folder = Path(name)
        if Path(path).exists():
            _extract(path, files, folder)
        try:
            yield folder
        finally:
            write_archive(path, folder, [file for file in files if (folder / file).is_file()])


def _extract(path: str | Path, files: Iterable[str], folder: Path) -> None:
    """Copy files of an archive to a folder. Those that cannot be read must be fetched anew."""
    try:
        archive = PictureArchive(path)
        for file in archive.names.intersection(files):
            data = archive.read(file)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
    except InputError as error:
        log.info("%s", error)


class PictureArchive:
    """An archive that `write_archive` wrote, opened for reading; threads may share it.

    It and `read` raise InputError when it is damaged or another file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = Lock()
        try:
            self._zip = zipfile.ZipFile(self.path)
            self.names = frozenset(self._zip.namelist())
        except Exception as error:  # Broken bytes can make zipfile raise anything.
            raise self._broken(error) from error

    def read(self, file: str) -> bytes:
        """Return the bytes of one picture, after comparing its checksum in the archive."""
        try:
            with self._lock:
                return self._zip.read(file)
        except Exception as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> InputError:
        reason = " ".join(str(error).split())
        return InputError(
            f"{self.path} is not a complete archive of the shard's pictures ({reason}); delete it"
            " and rerun"
        )
