"""The servers that the endpoint is measured against, had and started: Oxigraph's own, rdflib-endpoint, Virtuoso 7.

    python -m tests.benchmarks.peers install DIR             # needs pip and Debian's apt-get
    python -m tests.benchmarks.peers load DIR LIBRARY        # the release's dump into Virtuoso, about a minute
    python -m tests.benchmarks.peers which DIR

They get a virtual environment and a folder of their own in DIR, and nothing is installed into the system: Debian's
packages are only unpacked. A peer that is not there is reported as absent by the benchmarks.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from quiver.dumps import write_dump
from quiver.releases import Library, Release
from tests.benchmarks.servers import Server, free_port, running

PYTHON_PEERS: Final = ("oxigraph==0.5.13", "rdflib-endpoint==0.6.3", "oxrdflib", "uvicorn")
DEBIAN_PEERS: Final = ("virtuoso-opensource-7-bin", "libpcre3", "libminizip1")
_GRAPH: Final = "urn:quiver"

_RDFLIB_ENDPOINT: Final = """
import sys, oxrdflib, pyoxigraph, uvicorn
from rdflib import Graph
from rdflib.graph import DATASET_DEFAULT_GRAPH_ID
from rdflib_endpoint import SparqlEndpoint
store = oxrdflib.OxigraphStore(store=pyoxigraph.Store.read_only(sys.argv[1]))
graph = Graph(store=store, identifier=DATASET_DEFAULT_GRAPH_ID)
uvicorn.run(SparqlEndpoint(graph=graph, path="/sparql"), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""

_VIRTUOSO_INI: Final = """
[Database]
DatabaseFile = {folder}/virtuoso.db
ErrorLogFile = {folder}/virtuoso.log
LockFile = {folder}/virtuoso.lck
TransactionFile = {folder}/virtuoso.trx
xa_persistent_file = {folder}/virtuoso.pxa
FileExtend = 200
[TempDatabase]
DatabaseFile = {folder}/temporary.db
TransactionFile = {folder}/temporary.trx
[Parameters]
ServerPort = 127.0.0.1:{sql_port}
DirsAllowed = {folder}
NumberOfBuffers = 170000
MaxDirtyBuffers = 130000
ServerThreads = 20
[HTTPServer]
ServerPort = 127.0.0.1:{port}
ServerRoot = {folder}
ServerThreads = 16
KeepAliveTimeout = 60
MaxKeepAlives = 32
[SPARQL]
ResultSetMaxRows = 1000000
"""


class Peers:
    """What of the peers is in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._programs = self.folder / "peers-venv" / "bin"
        self._root = self.folder / "virtuoso"

    def present(self) -> dict[str, bool]:
        return {
            "oxigraph": (self._programs / "oxigraph").exists(),
            "rdflib-endpoint": (self._programs / "rdflib-endpoint").exists(),
            "virtuoso": (self._root / "usr/bin/virtuoso-t").exists(),
        }

    def install(self) -> None:
        """Fetch what is missing.

        Raises:
            CalledProcessError: pip or apt-get failed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        present = self.present()
        if not (present["oxigraph"] and present["rdflib-endpoint"]):
            subprocess.run([sys.executable, "-m", "venv", str(self.folder / "peers-venv")], check=True)
            subprocess.run([str(self._programs / "pip"), "install", "--quiet", *PYTHON_PEERS], check=True)
        if not present["virtuoso"]:
            with tempfile.TemporaryDirectory(dir=self.folder) as packages:
                subprocess.run(["apt-get", "update", "-qq"], check=True)
                subprocess.run(["apt-get", "download", "-qq", *DEBIAN_PEERS], cwd=packages, check=True)
                for package in sorted(Path(packages).glob("*.deb")):
                    subprocess.run(["dpkg", "-x", str(package), str(self._root)], check=True)

    @contextlib.contextmanager
    def oxigraph(self, release: Release) -> Iterator[Server]:
        """Oxigraph's Rust server over the release's own store, read-only, without a time-out."""
        port = free_port()
        program = str(self._programs / "oxigraph")
        command = [program, "serve-read-only", "-l", str(release.store_path), "-b", f"127.0.0.1:{port}"]
        with running("oxigraph", command, port, "/query", probe="/") as server:
            yield server

    @contextlib.contextmanager
    def rdflib_endpoint(self, release: Release) -> Iterator[Server]:
        """rdflib-endpoint on uvicorn, its graph the release's own store by oxrdflib, read-only."""
        port = free_port()
        arguments = ["-c", _RDFLIB_ENDPOINT, str(release.store_path), str(port)]
        command = [str(self._programs / "python"), *arguments]
        environment = {"PYTHONPATH": ""}
        with running("rdflib-endpoint", command, port, "/sparql", environment=environment) as server:
            yield server

    @contextlib.contextmanager
    def virtuoso(self, release: Release) -> Iterator[Server]:
        """Virtuoso with the release's quads in one graph, loaded first where that was not done yet."""
        folder = self.load(release)
        with self._virtuoso(folder)[0] as server:
            yield server

    def load(self, release: Release) -> Path:
        """The folder of a Virtuoso database with the release's quads; made where it does not exist.

        Raises:
            RuntimeError: the load failed.
        """
        folder = self.folder / f"virtuoso-{release.id}"
        loaded = folder / "loaded"
        if loaded.exists():
            return folder
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        # All facts are in the default graph, so the quads are triples.
        dump = folder / "release.nt"
        with dump.open("wb") as file:
            write_dump(release.part_paths, file)
        context, sql_port = self._virtuoso(folder)
        with context:
            commands = f"ld_dir('{folder}', 'release.nt', '{_GRAPH}'); rdf_loader_run(); checkpoint;"
            check = "select count(*) from DB.DBA.LOAD_LIST where ll_error is not null or ll_state <> 2;"
            count = f"sparql select count(*) from <{_GRAPH}> {{ ?s ?p ?o }};"
            output = self._isql(sql_port, commands + check + count)
        dump.unlink()
        figures = [line.strip() for line in output.splitlines() if line.strip().isdigit()]
        if figures != ["0", str(release.manifest.quads)]:
            raise RuntimeError(f"Virtuoso did not load {release.manifest.quads} quads:\n{output}")
        loaded.touch()
        return folder

    def _isql(self, sql_port: int, commands: str) -> str:
        command = [str(self._root / "usr/bin/isql-vt"), f"127.0.0.1:{sql_port}", "dba", "dba", f"exec={commands}"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment())
        return ended.stdout + ended.stderr

    def _environment(self) -> Mapping[str, str]:
        libraries = [self._root / "lib/x86_64-linux-gnu", self._root / "usr/lib/x86_64-linux-gnu"]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}

    def _virtuoso(self, folder: Path) -> tuple[contextlib.AbstractContextManager[Server], int]:
        port, sql_port = free_port(), free_port()
        settings = folder / "virtuoso.ini"
        settings.write_text(_VIRTUOSO_INI.format(folder=folder, port=port, sql_port=sql_port))
        (folder / "virtuoso.lck").unlink(missing_ok=True)
        command = [str(self._root / "usr/bin/virtuoso-t"), "+foreground", "+configfile", str(settings)]
        parameters = {"default-graph-uri": _GRAPH}
        environment = self._environment()
        server = running("virtuoso", command, port, "/sparql", environment=environment, parameters=parameters)
        return server, sql_port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["install", "load", "which"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("library", type=Path, nargs="?")
    arguments = parser.parse_args()
    peers = Peers(arguments.folder)
    if arguments.action == "install":
        peers.install()
    if arguments.action == "load":
        if arguments.library is None:
            parser.error("load needs a library")
        print(peers.load(Library(arguments.library).current()))
    for name, present in peers.present().items():
        print(f"{name:16} {'present' if present else 'absent'}")


if __name__ == "__main__":
    main()
