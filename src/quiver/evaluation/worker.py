"""The process in which one query at a time is evaluated, and which may be killed at any moment."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyoxigraph

from quiver.errors import BadRequest, DamagedRelease, NotAcceptable, QuiverError
from quiver.evaluation.faults import explain_failure, explain_syntax_error
from quiver.evaluation.inspection import admit, no_text_index
from quiver.evaluation.messages import Answered, Ask, Inbox, Limits, Ready, encode, failure, receive, send
from quiver.evaluation.prologue import read_prefixes
from quiver.evaluation.remote import RemoteEngine, RemoteResult
from quiver.evaluation.repeatability import is_repeatable
from quiver.evaluation.results import (
    GRAPH_FORMATS,
    LINE_FORMATS,
    RESULT_FORMATS,
    XML_FORMATS,
    CappedTriples,
    RowCounter,
    Sink,
    XmlGuard,
)
from quiver.evaluation.sandbox import give_up_network
from quiver.evaluation.text_search import SearchBlock, answer_search_block
from quiver.processes import die_with_parent, give_back_memory
from quiver.search import SearchIndex

_LOG = logging.getLogger(__name__)
_NICE: Final = 5
_STATM: Final = "/proc/self/statm"
_PAGE_BYTES: Final = resource.getpagesize()


class Worker:
    """Answers from the store that was asked last, which stays open; or sends on to an endpoint."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._path: str | None = None
        self._store: pyoxigraph.Store | None = None
        self._index_path: str | None = None
        self._index: SearchIndex | None = None
        # What the open store and index take; the memory of queries is counted from there.
        self._floor = 0
        self._worn_at = sys.maxsize
        self._trimmed_at = sys.maxsize
        self._remote = RemoteEngine(limits.target, limits) if limits.target is not None else None
        if self._remote is not None:
            self._set_floor(_address_space())

    def hold(self, path: str, store: pyoxigraph.Store) -> None:
        """Answer what is asked of the store at *path* from *store*, which is in memory already."""
        self._path, self._store = path, store
        self._set_floor(_address_space())

    def open(self, path: str) -> pyoxigraph.Store:
        """The store at *path*, read-only, with the memory cap counted from the size that this takes.

        Raises:
            DamagedRelease: it cannot be opened.
        """
        if self._store is not None and path == self._path:
            return self._store
        self._store = self._index = None
        _cap_memory(None)
        try:
            self._store = pyoxigraph.Store.read_only(path)
        except (OSError, ValueError) as error:
            raise DamagedRelease(f"The store of the release cannot be opened: {error}", value=path) from error
        self._path = path
        self._set_floor(_address_space())
        return self._store

    def open_index(self, path: str) -> SearchIndex:
        """The text index at *path*, with the memory cap raised by what this takes.

        Raises:
            DamagedRelease: it cannot be opened.
        """
        if self._index is not None and path == self._index_path:
            return self._index
        self._index = None
        before = _address_space()
        _cap_memory(None)
        try:
            self._index = SearchIndex(Path(path))
            self._index_path = path
        finally:
            # What past queries have left is not in the floor, so that it counts as theirs.
            self._set_floor(self._floor + max(_address_space() - before, 0))
        return self._index

    def _set_floor(self, size: int) -> None:
        self._floor = size
        if size:
            _cap_memory(size + self._limits.memory_bytes)
            self._worn_at = size + self._limits.memory_bytes // 2
            self._trimmed_at = size + self._limits.memory_bytes // 8

    @property
    def is_worn(self) -> bool:
        """Whether past queries have left it so large that the next would not get its share."""
        size = _address_space()
        if size > self._trimmed_at:
            # Idle workers are to be small: there are more of them than run at once.
            give_back_memory()
            size = _address_space()
        return size > self._worn_at

    def answer(self, ask: Ask) -> tuple[Answered, bytes, BinaryIO | None]:
        """The whole result, as bytes or as a file.

        Raises:
            QuiverError: whatever is wrong with the query, its result or the store.
        """
        store = self.open(ask.store) if self._remote is None else None
        # The one way to the engine: no query passes it without this.
        admitted = admit(ask.text, self._limits.allowed, ask.base, partial(self._answer_search, ask))
        try:
            if store is None:
                assert self._remote is not None
                with self._remote.answer(ask, admitted) as result:
                    return self._write(result, ask)
            return self._write(_query(store, admitted.text, ask), ask)
        except QuiverError:
            raise
        except SyntaxError as error:
            assert store is not None
            raise explain_syntax_error(
                error, ask.text, admitted, lambda text: _query(store, text, ask), ask.base
            ) from None
        except Exception as error:
            # Outermost: whatever the engine raises becomes one error of ours, and the process goes on.
            raise explain_failure(error, ask.text) from error

    def _answer_search(self, ask: Ask, block: SearchBlock) -> str:
        if not ask.search or not Path(ask.search).is_dir():
            return no_text_index(block)
        index = self.open_index(ask.search)
        return answer_search_block(block, index, ask.base or "", ask.text, self._limits.max_hits)

    def _write(
        self, result: RemoteResult | pyoxigraph.QueryTriples, ask: Ask
    ) -> tuple[Answered, bytes, BinaryIO | None]:
        limits = self._limits
        kind, format_name = _format_for(result, ask.formats)
        is_counted = kind == "solutions" or format_name in LINE_FORMATS
        counter = RowCounter(format_name) if is_counted else None
        guard = XmlGuard() if format_name in XML_FORMATS else None
        with Sink(limits.directory, limits.max_bytes, limits.max_rows, counter, guard) as sink:
            if isinstance(result, (pyoxigraph.QuerySolutions, pyoxigraph.QueryBoolean)):
                result.serialize(cast(BinaryIO, sink), RESULT_FORMATS[format_name])
                rows = sink.rows
            elif is_counted and isinstance(result, pyoxigraph.QueryTriples):
                result.serialize(cast(BinaryIO, sink), GRAPH_FORMATS[format_name])
                rows = sink.rows
            else:
                # A graph that reads like its query.
                prefixes = dict(read_prefixes(ask.text, ask.base))
                triples = CappedTriples(result, limits.max_rows)
                pyoxigraph.serialize(triples, cast(BinaryIO, sink), GRAPH_FORMATS[format_name], prefixes=prefixes)
                rows = triples.rows
            body, file = sink.finish()
        repeatable = is_repeatable(ask.text, ask.base)
        return Answered(kind, format_name, sink.size, rows, file is not None, repeatable), body, file


def serve(
    connection: socket.socket, limits: Limits, warm: str | None, held: tuple[str, pyoxigraph.Store] | None = None
) -> None:
    """Answer what comes through *connection* until it closes, or until the worker is worn.

    The store *warm* is opened before; *held* is one in memory, and the path that it stands for.
    """
    worker = Worker(limits)
    if held is not None:
        worker.hold(*held)
    elif warm is not None and limits.target is None:
        try:
            worker.open(warm)
        except DamagedRelease as error:
            _LOG.warning("%s", error)
    inbox = Inbox()
    send(connection, encode(Ready(os.getpid())))
    while not worker.is_worn:
        try:
            message, _, _ = receive(connection, inbox)
        except ConnectionError:
            return
        assert isinstance(message, Ask)
        try:
            answered, body, file = worker.answer(message)
        except QuiverError as error:
            if error.status == 500:
                _LOG.error("query failed", exc_info=error)
            send(connection, encode(failure(error)))
            continue
        send(connection, encode(answered), body, file.fileno() if file else None)
        if file is not None:
            file.close()


def cut_loose(*kept: int, output: int | None = None) -> None:
    """Let go of what a forked process has inherited: signals, files, standard streams (*output*: where it writes)."""
    gc.freeze()  # what the broker left must not be finalised here: its descriptors have other owners now
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for number in (1, 2):
        os.dup2(output if output is not None else 2, number)
    top = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    start = 3
    for number in sorted(kept):
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, top if 0 < top < 1 << 20 else 1 << 20)


def run_forked(
    connection: socket.socket,
    stderr: int,
    limits: Limits,
    warm: str | None,
    parent: int,
    held: tuple[str, pyoxigraph.Store] | None = None,
) -> int:
    """The exit code of a freshly forked worker; cuts it loose from what its parent has open first."""
    die_with_parent(parent)
    cut_loose(connection.fileno(), output=stderr)
    # The pages of the service go first.
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever a killed worker leaves goes with the folder of the service.
    tempfile.tempdir = limits.directory
    # What the engine says when memory runs out is how the broker knows; a trace behind it would drown it.
    os.environ["RUST_BACKTRACE"] = "0"
    if not limits.allowed and limits.target is None:
        give_up_network()
    _volunteer_for_out_of_memory()
    serve(connection, limits, warm, held)
    return 0


def _query(
    store: pyoxigraph.Store, text: str, ask: Ask
) -> pyoxigraph.QuerySolutions | pyoxigraph.QueryBoolean | pyoxigraph.QueryTriples:
    """The engine's result; the data set of the request beats FROM (SPARQL 1.1 Protocol, 2.1.4)."""
    if not ask.default_graphs and not ask.named_graphs:
        return store.query(text, base_iri=ask.base)
    default: list[pyoxigraph.NamedNode | pyoxigraph.BlankNode | pyoxigraph.DefaultGraph] = []
    named: list[pyoxigraph.NamedNode | pyoxigraph.BlankNode] = []
    try:
        default.extend(map(pyoxigraph.NamedNode, ask.default_graphs))
        named.extend(map(pyoxigraph.NamedNode, ask.named_graphs))
    except ValueError as error:
        raise BadRequest(f"A graph of the data set has no valid IRI: {error}.") from None
    return store.query(text, base_iri=ask.base, default_graph=default, named_graphs=named)


def _format_for(result: object, formats: Mapping[str, str]) -> tuple[str, str]:
    kind, known = "solutions", frozenset(RESULT_FORMATS)
    if isinstance(result, pyoxigraph.QueryBoolean):
        kind = "boolean"
    elif not isinstance(result, pyoxigraph.QuerySolutions):
        kind, known = "graph", frozenset(GRAPH_FORMATS)
    name = formats.get(kind)
    if name is None or name not in known:
        what = _KIND_NAMES[kind]
        raise NotAcceptable(f"The result is a {what}; none of the accepted formats carries it.", value=kind)
    return kind, name


_KIND_NAMES: Final = {"solutions": "table of solutions", "boolean": "yes or no", "graph": "graph"}


def _address_space() -> int:
    """The size of this process in bytes; 0 where the platform does not say."""
    try:
        # Asked after every query, so without the ceremony of files: 4 microseconds instead of 26.
        descriptor = os.open(_STATM, os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(descriptor, 64).split(maxsplit=1)[0]) * _PAGE_BYTES
    finally:
        os.close(descriptor)


def _cap_memory(size: int | None) -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = hard if size is None else size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _volunteer_for_out_of_memory() -> None:
    """Make the kernel take a query worker first when the machine has no memory left."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("700", encoding="ascii")
