"""The pictures of a shard as one zip archive: what travels where jobs share no disk.

One object of a bucket is there whole or not at all, and is fetched in one go; a folder of thousands
is neither. Pictures are compressed already, so they are stored as they are, and read in place.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.data.images import UnreadableImage, read_file

# The first that a zip archive can name: no clock may show in a result.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(path: str | Path, root: str | Path, files: Iterable[str]) -> None:
    """Write the files, named relative to `root`, as an archive at `path`: same files, same bytes.

    InputError where one cannot be read any more.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file in sorted(files):
            try:
                data = read_file(Path(root, file))
            except UnreadableImage as error:
                raise InputError(
                    f"{Path(root, file)} was usable when fetched and is not now ({error}); rerun"
                ) from error
            archive.writestr(zipfile.ZipInfo(file, NO_TIME), data)


class Archive:
    """An archive that `write_archive` wrote, opened for reading; may be shared by threads.

    Raises InputError, here and in `read`, where it is damaged or something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = Lock()
        try:
            self._zip = zipfile.ZipFile(self.path)
        except Exception as error:  # zipfile raises whatever broken bytes lead to.
            raise self._broken(error) from error

    def read(self, file: str) -> bytes:
        """The bytes of one picture, whose checksum in the archive is compared."""
        try:
            with self._lock:
                return self._zip.read(file)
        except Exception as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> InputError:
        said = " ".join(str(error).split())
        return InputError(
            f"{self.path} is no whole archive of the shard's pictures ({said}); delete it and rerun"
        )
