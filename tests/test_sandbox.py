"""A process that has given up the network: what it cannot do any more, and what it still can."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import multiprocessing
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyoxigraph as ox
import pytest

from quiver.evaluation.sandbox import give_up_network
from quiver.search import SearchDocument, SearchIndex, write_index

_IO_URING_SETUP = 425
_X32_SOCKET = 0x40000000 | 41

Sandboxed = Callable[..., str]


@pytest.fixture
def sandboxed() -> Iterator[Sandboxed]:
    """Runs a function in a fresh process that has given up the network."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        if not pool.submit(give_up_network).result():
            pytest.skip("this platform has no filter of system calls")
        yield lambda work, *values: pool.submit(work, *values).result()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server of the network that must see nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def _make_sockets() -> str:
    made = []
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            with contextlib.suppress(PermissionError):
                socket.socket(family, kind).close()
                made.append(f"{family!r} {kind!r}")
    return ", ".join(made)


def test_no_socket_of_the_network_can_be_made(sandboxed: Sandboxed) -> None:
    assert sandboxed(_make_sockets) == ""


def _connect(port: int, path: str) -> str:
    """For a process that has not given up the network yet."""
    said = []
    with socket.socket() as old, socket.socket(socket.AF_UNIX) as local:
        assert give_up_network()
        for name, target, address in (("network", old, ("127.0.0.1", port)), ("local", local, path)):
            try:
                target.connect(address)
                said.append(f"{name} connected")
            except PermissionError:
                said.append(f"{name} refused")
    return ", ".join(said)


def test_nothing_connects_by_a_socket_that_is_there_already(
    sandboxed: Sandboxed, server: socket.socket, tmp_path: Path
) -> None:
    with (
        socket.socket(socket.AF_UNIX) as local,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        local.bind(str(tmp_path / "local"))
        local.listen()
        done = pool.submit(_connect, server.getsockname()[1], str(tmp_path / "local"))
        assert done.result() == "network refused, local refused"


def _call_the_kernel() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    said = []
    for number in (_IO_URING_SETUP, _X32_SOCKET):
        result = libc.syscall(ctypes.c_long(number), ctypes.c_long(2), ctypes.c_long(1), ctypes.c_long(0))
        said.append(f"{result} {errno.errorcode[ctypes.get_errno()]}")
    return ", ".join(said)


def test_no_ring_can_be_set_up_and_no_other_abi_used(sandboxed: Sandboxed) -> None:
    assert sandboxed(_call_the_kernel) == "-1 EACCES, -1 EACCES"


def _ask_a_child() -> str:
    code = "import socket\ntry: socket.socket()\nexcept PermissionError: print('refused')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def test_children_have_it_too(sandboxed: Sandboxed) -> None:
    assert sandboxed(_ask_a_child) == "refused"


def _ask_service(endpoint: str, path: str) -> str:
    answer = ox.Store(path).query(f"SELECT * {{ SERVICE <{endpoint}> {{ ?s ?p ?o }} }}")
    assert isinstance(answer, ox.QuerySolutions)
    try:
        return f"{len(list(answer))} solutions"
    except OSError as error:
        return type(error).__name__


def test_a_service_that_got_past_the_inspection_reaches_nothing(
    sandboxed: Sandboxed, server: socket.socket, tmp_path: Path
) -> None:
    endpoint = f"http://127.0.0.1:{server.getsockname()[1]}/"
    assert sandboxed(_ask_service, endpoint, str(tmp_path / "store")) == "PermissionError"


def _read(store: str, index: str, folder: str) -> str:
    tempfile.tempdir = folder
    rows = ox.Store.read_only(store).query("SELECT * { ?s ?p ?o }")
    assert isinstance(rows, ox.QuerySolutions)
    hits = SearchIndex(Path(index)).search("learning").hits
    return f"{len(list(rows))} row, {hits[0].path}"


def test_the_store_and_the_text_index_work_all_the_same(sandboxed: Sandboxed, tmp_path: Path) -> None:
    store = ox.Store(str(tmp_path / "store"))
    node = ox.NamedNode("http://e/1")
    store.bulk_extend([ox.Quad(node, node, ox.Literal("x"))])
    store.flush()
    write_index([SearchDocument("paper/a", "paper", "Deep learning")], tmp_path / "index", memory_bytes=15_000_000)
    said = sandboxed(_read, str(tmp_path / "store"), str(tmp_path / "index"), str(tmp_path))
    assert said == "1 row, paper/a"
