"""Files by path, or by URL where the optional package fsspec opens them (`s3://`, `gs://`, `file://`, `memory://` ...).

Nothing is fetched but what an URL names, and only what came with "://" is one: a path never becomes a request. Options
of a store (anonymous access, an endpoint of one's own) are fsspec's own configuration, as FSSPEC_S3_ANON=true.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast
from urllib.parse import unquote, urlsplit

from quiver.errors import MissingExtra, StorageUnavailable

# A file of this machine, or the URL of one elsewhere.
Location = Path | str

EXTRA: Final = "pip install 'quiver-kg[cluster]'"
_CHUNK_BYTES: Final = 1 << 20
_WEB: Final = ("http://", "https://")
# Stores where a file is there when its last byte is, or not at all, and whose folders are but parts of names.
_OBJECT_STORES: Final = ("s3://", "s3a://")
# What S3 says of one, where it says more than 404.
_NO_BUCKET: Final = "bucket does not exist"


class FileSystem(Protocol):
    """What we use of a file system of fsspec; its paths have no protocol."""

    def open(self, path: str, mode: str) -> BinaryIO: ...
    def info(self, path: str) -> dict[str, object]: ...
    def glob(self, path: str) -> list[str]: ...
    def unstrip_protocol(self, name: str) -> str: ...
    def makedirs(self, path: str, exist_ok: bool) -> None: ...
    def mv(self, path1: str, path2: str) -> None: ...
    def rm(self, path: str, recursive: bool) -> None: ...
    def exists(self, path: str) -> bool: ...
    def invalidate_cache(self, path: str | None = None) -> None: ...
    @property
    def transaction(self) -> AbstractContextManager[object]: ...
    def cat_ranges(
        self, paths: Sequence[str], starts: Sequence[int], ends: Sequence[int], *, on_error: str
    ) -> list[bytes]: ...


def is_url(text: str) -> bool:
    """Whether *text* is an URL.

    >>> is_url("s3://openalex/data/works"), is_url("papers/2024.jsonl")
    (True, False)
    """
    return "://" in text


def located(file: Location) -> Location:
    """*file* as a path, or as the text of an URL."""
    return file if isinstance(file, Path) or is_url(file) else Path(file)


def name_of(file: Location) -> str:
    """The name of a file without its folder.

    >>> name_of("s3://openalex/data/works/updated_date=2026-01-02/part_000.gz")
    'part_000.gz'
    >>> name_of("https://example.org/sets/my%20papers.jsonl?download=1")
    'my papers.jsonl'
    """
    if isinstance(file, Path):
        return file.name
    first = file.partition("::")[0]
    path = unquote(urlsplit(first).path) if first.startswith(_WEB) else first
    return path.rstrip("/").rpartition("/")[2]


def size_of(file: Location) -> int:
    """The size of a file in bytes, as it is stored.

    Raises:
        OSError: there is no such path.
        StorageUnavailable: nor such an URL, or its store gives no size. MissingExtra: as for `open_location`.
    """
    if isinstance(file, Path):
        return file.stat().st_size
    system, path = filesystem(file)
    with reaching(file):
        known = system.info(path)
    if known.get("type") == "directory":
        raise StorageUnavailable(f"{file} is a folder", value=file, hint="Name its files; a * stands for any name.")
    size = known.get("size")
    if not isinstance(size, int):
        raise StorageUnavailable(
            f"{file}: its server gives no size",
            value=file,
            hint="The work is dealt out by size: copy the file to this machine first.",
        )
    return size


def open_location(file: Location) -> BinaryIO:
    """The bytes of a file; reading an URL raises `StorageUnavailable` where it breaks off.

    Raises:
        OSError: there is no such path.
        StorageUnavailable: nor such an URL.
        MissingExtra: fsspec, or the package that it needs for this kind of URL, is not installed.
    """
    if isinstance(file, Path):
        return file.open("rb")
    system, path = filesystem(file)
    with reaching(file):
        return cast("BinaryIO", _Remote(file, system.open(path, "rb")))


class _Remote:
    """A file of fsspec: a connection that is lost is no damage of the file."""

    def __init__(self, url: str, file: BinaryIO) -> None:
        self._url, self._file = url, file

    def read(self, size: int = -1) -> bytes:
        with reaching(self._url):
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()


def chunks_of(file: Path) -> Iterator[bytes]:
    """The bytes of a file of this machine, a megabyte at a time."""
    with file.open("rb") as opened:
        while data := opened.read(_CHUNK_BYTES):
            yield data


def put(chunks: Iterable[bytes], target: Location) -> None:
    """Write a file that appears in one step, in the place of what had its name; its folder is there.

    Raises:
        OSError: a path cannot be written. StorageUnavailable, MissingExtra: an URL cannot.
    """
    if isinstance(target, Path):
        pending = target.with_name(_pending(target.name))
        try:
            with pending.open("wb") as file:
                file.writelines(chunks)
            pending.replace(target)
        except BaseException:
            pending.unlink(missing_ok=True)
            raise
        return
    system, path = filesystem(target)
    if target.startswith(_OBJECT_STORES):
        # Outside of a transaction, a file that is closed by an error would be there with what it has by then.
        with reaching(target), system.transaction, system.open(path, "wb") as file:
            file.writelines(chunks)
        return
    folder, _, name = path.rpartition("/")
    hidden = f"{folder}/{_pending(name)}"
    with reaching(target):
        try:
            with system.open(hidden, "wb") as file:
                file.writelines(chunks)
            system.mv(hidden, path)
        except BaseException:
            with contextlib.suppress(Exception):
                system.rm(hidden, recursive=False)
            raise


def make_folder(place: Location) -> None:
    """Make a folder where there is none; object stores need none, and a bucket that is not there is not made.

    Raises:
        OSError, StorageUnavailable, MissingExtra: it cannot be made.
    """
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)
        return
    system, path = filesystem(place)
    with reaching(place):
        if not place.startswith(_OBJECT_STORES):
            system.makedirs(path, exist_ok=True)
        elif not system.exists(bucket := path.lstrip("/").partition("/")[0]):
            try:
                # This says why.
                system.info(bucket)
            except FileNotFoundError as error:
                raise FileNotFoundError(_NO_BUCKET) from error


def _pending(name: str) -> str:
    return f".{name}.{uuid.uuid4().hex}"


def below(folder: Location, name: str) -> Location:
    """The file *name* in *folder*."""
    return folder / name if isinstance(folder, Path) else f"{folder.rstrip('/')}/{name}"


def expanded(files: Iterable[Location]) -> list[Location]:
    """*files*, with every URL that holds a `*` replaced by those that match it, in order of their names.

    Raises:
        StorageUnavailable: none does.
    """
    found: list[Location] = []
    for file in map(located, files):
        if isinstance(file, Path) or "*" not in file:
            found.append(file)
            continue
        system, pattern = filesystem(file)
        with reaching(file):
            matches = sorted(map(system.unstrip_protocol, system.glob(pattern)))
        if not matches:
            raise StorageUnavailable(f"{file} matches no file", value=file)
        found.extend(matches)
    return found


def filesystem(url: str) -> tuple[FileSystem, str]:
    """The file system that *url* is on, and its path there.

    Raises:
        MissingExtra, StorageUnavailable: as for `open_location`.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(f"{url} needs the package fsspec", value=url, hint=EXTRA) from error
    # A filter that is there already is not added again.
    logging.getLogger("asyncio").addFilter(_is_news)
    with reaching(url):
        return cast("tuple[FileSystem, str]", url_to_fs(url))


def _is_news(record: logging.LogRecord) -> bool:
    """Not so is a task of the HTTP client that lost its connection: what waited for the request raises an error."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionError))


@contextlib.contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn whatever fsspec and its many backends raise into an error of ours that names *url*."""
    try:
        yield
    except ImportError as error:
        raise MissingExtra(f"{url}: {error}", value=url, hint=EXTRA) from error
    except Exception as error:  # each backend has classes of its own, not all of them of OSError
        said = str(error).strip() or type(error).__name__
        if isinstance(error, FileNotFoundError):
            said = "there is no such " + ("bucket" if said.endswith(_NO_BUCKET) else "file")
        elif isinstance(error, PermissionError):
            said = f"access is refused: {said}"
        raise StorageUnavailable(f"{url}: {said}", value=url) from error
