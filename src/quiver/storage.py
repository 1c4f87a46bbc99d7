"""Files by path, or by URL where the optional package fsspec opens them (`s3://`, `gs://`, `file://`, `memory://` ...).

Nothing is fetched but what an URL names, and only what came with "://" is one: a path never becomes a request. Options
of a store (anonymous access, an endpoint of one's own) are fsspec's own configuration, as FSSPEC_S3_ANON=true.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast
from urllib.parse import unquote, urlsplit

from quiver.errors import MissingExtra, StorageUnavailable

# A file of this machine, or the URL of one elsewhere.
Location = Path | str

EXTRA: Final = "pip install 'quiver-kg[cluster]'"
_CHUNK_BYTES: Final = 1 << 20
_WEB: Final = ("http://", "https://")


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
        size = system.info(path).get("size")
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
    folder, _, name = path.rpartition("/")
    hidden = f"{folder}/{_pending(name)}"
    with reaching(target):
        with system.open(hidden, "wb") as file:
            file.writelines(chunks)
        # An object store copies, which it does in one step.
        system.mv(hidden, path)


def make_folder(place: Location) -> None:
    """Make a folder where there is none; object stores have none and need none.

    Raises:
        OSError, StorageUnavailable, MissingExtra: it cannot be made.
    """
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)
        return
    system, path = filesystem(place)
    with reaching(place):
        system.makedirs(path, exist_ok=True)


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
    with reaching(url):
        return cast("tuple[FileSystem, str]", url_to_fs(url))


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
            said = "there is no such file"
        raise StorageUnavailable(f"{url}: {said}", value=url) from error
