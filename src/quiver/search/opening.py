"""Opening an index that nobody may write to.

tantivy locks a file beside the index whenever it opens one: on a read-only file system that fails, and elsewhere it
writes into a published release. So the index is opened through a private folder of symbolic links, in which the lock
lies, and which goes as soon as the files are mapped into memory (measured: the process then has all of them open).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tantivy

from quiver.errors import DamagedRelease

LOCKS = (".tantivy-meta.lock", ".tantivy-writer.lock")
_META = "meta.json"


def open_read_only(folder: Path) -> tantivy.Searcher:
    """A searcher over the index in *folder*, of which no file is created, changed or locked.

    Raises:
        DamagedRelease: *folder* holds no whole index.
        OSError: there is no folder for temporary files (see `tempfile.gettempdir`).
    """
    if not (folder / _META).is_file():
        raise DamagedRelease(f"no text index in {folder}", value=folder, hint="Build the release again.")
    with _links(folder) as links:
        try:
            index = tantivy.Index.open(str(links))
            # No reload: the reader that `open` makes would watch for a new meta.json.
            index.config_reader("manual")
            return index.searcher()
        except (ValueError, OSError) as error:
            raise DamagedRelease(f"text index {folder}: {error}", value=folder) from error


@contextmanager
def _links(folder: Path) -> Iterator[Path]:
    links = Path(tempfile.mkdtemp(prefix="quiver-search-", dir=_temporary_folder()))
    try:
        for file in folder.resolve().iterdir():
            if file.name not in LOCKS:
                (links / file.name).symlink_to(file)
        yield links
    finally:
        _remove(links)


def _temporary_folder() -> str | None:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        # A container without a writable disk has shared memory all the same.
        if Path("/dev/shm").is_dir():  # noqa: S108
            return "/dev/shm"  # noqa: S108
        raise


def _remove(links: Path) -> None:
    # The watching thread of a reader just dropped may still put its lock here.
    for _ in range(10):
        shutil.rmtree(links, ignore_errors=True)
        if not links.exists():
            return
