"""The mapping step against morph-kgc and maplib, and the whole build against rdflib, in one run.

    python -m tests.benchmarks.mapping DIR [FILE] [--papers 20000] [--repeat 3]

Everybody makes the same triples of papers and signatures (checked, triple for triple) of the same records. The peers
get tables as Parquet, of which every value is ready: IRIs minted, names split and keyed. Quiver gets the records as
JSON lines, and reads, cleans, keys and mints. morph-kgc runs as its command with an RML mapping, maplib with stOTTR
templates over Polars frames, rdflib adds the same triples to a graph, serialises it, and loads the file into another.

Rates are triples a second of wall clock of the whole command, start-up included, and of CPU time. Environments for the
peers are made in DIR where they are not there: they need pip.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final

import pyoxigraph

from quiver.readers.streams import SourceStream
from quiver.releases import Library
from tests.benchmarks.build import SHARED
from tests.benchmarks.mapping_tables import ottr, rml, tables_of, write_tables
from tests.benchmarks.measuring import children_cpu, conditions, python

PEERS: Final = {"morph-kgc": ("morph-kgc==2.10.0", "pyarrow"), "maplib": ("maplib==0.20.26",)}

# Columns of whole numbers are given as such: maplib wants them so.
_TO_PARQUET: Final = """
import json, pathlib, sys
import polars as pl
numbers = set(sys.argv[2:])
for file in pathlib.Path(sys.argv[1]).glob("*.jsonl"):
    names = list(json.loads(file.open().readline()))
    frame = pl.read_ndjson(file, schema={name: pl.String for name in names})
    whole = [name for name in names if f"{file.stem}.{name}" in numbers]
    frame.with_columns([pl.col(name).cast(pl.Int64) for name in whole]).write_parquet(file.with_suffix(".parquet"))
"""

_MAPLIB: Final = """
import pathlib, sys, time
import polars as pl
from maplib import Model
folder, output = pathlib.Path(sys.argv[1]), sys.argv[2]
started = time.perf_counter()
frames = {file.stem: pl.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
read = time.perf_counter()
model = Model()
model.add_template((folder / "mapping.stottr").read_text())
for name, frame in frames.items():
    model.map("urn:t:" + name, frame)
mapped = time.perf_counter()
model.write(output, format="ntriples")
print(f"read {read - started:.2f}, map {mapped - read:.2f}, write {time.perf_counter() - mapped:.2f} s")
"""

_MORPH: Final = """[CONFIGURATION]
output_file = {output}
output_format = N-TRIPLES
number_of_processes = {cores}
na_values = ,nan,None
logging_level = WARNING
[Source]
mappings = {mapping}
"""

_RDFLIB: Final = """
import json, pathlib, sys, time
from rdflib import Graph, Literal, RDF, URIRef
folder, output = pathlib.Path(sys.argv[1]), sys.argv[2]
started = time.perf_counter()
graph = Graph()
for table in json.loads((folder / "plan.json").read_text()):
    constants = [(URIRef(predicate), URIRef(iri)) for predicate, iri in table["constants"]]
    columns = [(name, URIRef(predicate), is_iri, URIRef(datatype) if datatype else None)
               for name, predicate, is_iri, datatype in table["columns"]]
    for line in (folder / (table["name"] + ".jsonl")).open():
        row = json.loads(line)
        subject = URIRef(row["s"])
        for predicate, iri in constants:
            graph.add((subject, predicate, iri))
        for name, predicate, is_iri, datatype in columns:
            if row[name] is not None:
                graph.add((subject, predicate, URIRef(row[name]) if is_iri else Literal(row[name], datatype=datatype)))
graph.serialize(output, format="nt", encoding="utf-8")
converted = time.perf_counter()
del graph
loaded = Graph().parse(output, format="nt")
print(f"convert {converted - started:.1f}, load {time.perf_counter() - converted:.1f} s")
"""

# Records in memory to N-Quads text in a file: what is left when reading is taken off.
_MAPPING_ALONE: Final = """
import gc, sys, time
from quiver.identifiers import Minter
from quiver.mapping import map_paper
from quiver.readers import open_file
from pathlib import Path
gc.disable()
opened = open_file(Path(sys.argv[1]))
read = [(one.item, one.locator) for one in opened]
minter = Minter("http://localhost:8000/")
files = [minter.source_file(opened.source, opened.report.sha256)]
started, busy = time.perf_counter(), time.process_time()
with open(sys.argv[2], "wb") as output:
    for record, locator in read:
        mapped = map_paper(record, source=opened.source, key=record.local_key(), files=files, locator=locator,
                           listed_by=(), minter=minter)
        output.write("".join(mapped.lines).encode())
print(time.perf_counter() - started, time.process_time() - busy)
"""


def install(folder: Path) -> None:
    """Make an environment for each peer that has none.

    Raises:
        CalledProcessError: pip failed.
    """
    for name, packages in PEERS.items():
        if not (folder / name / "bin" / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
            subprocess.run([str(folder / name / "bin" / "pip"), "install", "-q", *packages], check=True)


def prepare(folder: Path, file: Path, papers: int) -> int:
    """Write records, tables and mappings into *folder*; the number of triples that all are to make."""
    stream = SourceStream(file)
    lines = [line for _, line in islice(stream.lines(1 << 26), papers)]
    stream.close()
    for shards in (1, 2):
        for shard in range(shards):
            text = b"".join(line + b"\n" for line in lines[shard::shards])
            (folder / f"records-{shards}-{shard}.jsonl").write_bytes(text)
    quads = folder / "reference.nq"
    with quads.open("wb") as output:
        subprocess.run(
            python("-m", "quiver.cli", "convert", str(folder / "records-1-0.jsonl")), stdout=output, check=True
        )
    tables = tables_of(pyoxigraph.parse(path=str(quads), format=pyoxigraph.RdfFormat.N_QUADS))
    write_tables(tables, folder)
    plan = [
        {
            "name": table.name,
            "constants": table.constants,
            "columns": [(one.name, one.predicate, one.is_iri, one.datatype) for one in table.columns],
        }
        for table in tables
    ]
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "mapping.ttl").write_text(rml(tables, folder))
    (folder / "mapping.stottr").write_text(ottr(tables))
    numbers = [f"{t.name}.{c.name}" for t in tables for c in t.columns if c.datatype.endswith("#integer")]
    for records in folder.glob("records-*.jsonl"):
        records.rename(records.with_suffix(".json"))
    program = folder.parent / "maplib" / "bin" / "python"
    subprocess.run([str(program), "-c", _TO_PARQUET, str(folder), *numbers], check=True)
    return len(triples(quads))


def triples(file: Path) -> set[str]:
    """The triples of an N-Triples or N-Quads file without named graphs."""
    return {str(quad.triple) for quad in pyoxigraph.parse(path=str(file), format=pyoxigraph.RdfFormat.N_QUADS)}


def timed(commands: Sequence[Sequence[str]], outputs: Sequence[Path | None], cores: int) -> tuple[float, float, str]:
    """Seconds and CPU seconds of *commands*, side by side on so many cores, and what the last of them printed."""
    before = children_cpu()
    started = time.perf_counter()
    threads = {"POLARS_MAX_THREADS": str(cores), "RAYON_NUM_THREADS": str(cores), "OMP_NUM_THREADS": str(cores)}
    printed = ""
    with ExitStack() as stack:
        running = []
        for command, output in zip(commands, outputs, strict=True):
            target = subprocess.PIPE if output is None else stack.enter_context(output.open("wb"))
            pinned = ["taskset", "-c", ",".join(map(str, range(cores))), *command]
            running.append(subprocess.Popen(pinned, stdout=target, env={**os.environ, **threads}))
        for process in running:
            out, _ = process.communicate()
            printed = out.decode().strip() if out else printed
            if process.returncode:
                raise RuntimeError(f"a command failed: {process.args!r}")
    seconds = time.perf_counter() - started
    return seconds, children_cpu() - before, printed


class Run:
    """The tools over what is prepared in *folder*, and what they took."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.rates: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def quiver(self, cores: int) -> None:
        """One process a core, each with its share of the records: conversion knows no other state."""
        outputs = [self.folder / f"quiver-{cores}-{shard}.nq" for shard in range(cores)]
        commands = [
            python(
                "-m", "quiver.cli", "convert", "--format", "jsonl", str(self.folder / f"records-{cores}-{shard}.json")
            )
            for shard in range(cores)
        ]
        self._note(f"quiver convert, {cores}", *timed(commands, outputs, cores))
        lines = sum(output.read_bytes().count(b"\n") for output in outputs)
        assert lines >= self.count, lines

    def mapping_alone(self) -> None:
        command = python("-c", _MAPPING_ALONE, str(self.folder / "records-1-0.json"), str(self.folder / "alone.nq"))
        _, _, printed = timed([command], [None], 1)
        seconds, cpu = map(float, printed.split())
        self._note("quiver, mapping alone, 1", seconds, cpu, "")

    def maplib(self, cores: int) -> None:
        output = self.folder / "maplib.nt"
        program = self.folder.parent / "maplib" / "bin" / "python"
        command = [str(program), "-c", _MAPLIB, str(self.folder), str(output)]
        self._note(f"maplib, {cores}", *timed([command], [None], cores))

    def morph(self, cores: int) -> None:
        output, config = self.folder / "morph.nt", self.folder / "morph.ini"
        config.write_text(_MORPH.format(output=output, cores=cores, mapping=self.folder / "mapping.ttl"))
        program = self.folder.parent / "morph-kgc" / "bin" / "python"
        self._note(f"morph-kgc, {cores}", *timed([[str(program), "-m", "morph_kgc", str(config)]], [None], cores))

    def rdflib(self) -> None:
        command = python("-c", _RDFLIB, str(self.folder), str(self.folder / "rdflib.nt"))
        self._note("rdflib, convert and load", *timed([command], [None], 1))

    def build(self, cores: int) -> None:
        library = self.folder / "library"
        shutil.rmtree(library, ignore_errors=True)
        records = str(self.folder / "records-1-0.json")
        command = python("-m", "quiver.cli", "build", str(library), records, "-q", "--jobs", str(cores))
        seconds, cpu, _ = timed([command], [None], cores)
        self._note(f"quiver build, {cores}", seconds, cpu, "", Library(library).current().manifest.quads)

    def _note(self, name: str, seconds: float, cpu: float, printed: str, count: int = 0) -> None:
        made = count or self.count
        self.rates[name].append((made / seconds, made / cpu))
        print(f"{name:26} {seconds:7.2f} s  CPU {cpu:7.2f} s  {made / seconds:9,.0f} triples/s  {printed}", flush=True)

    def check(self) -> None:
        """Refuse to report where a tool made other triples."""
        wanted = triples(self.folder / "reference.nq")
        for name in ("quiver-1-0.nq", "maplib.nt", "morph.nt", "rdflib.nt"):
            made = triples(self.folder / name)
            same = "the same triples" if made == wanted else f"{len(wanted - made):,} lack, {len(made - wanted):,} more"
            print(f"{name:16} {len(made):,}: {same}")

    def ratios(self, ours: str, theirs: str) -> str:
        """How many times as many triples a second as theirs: medians over rounds, of wall clock and of CPU time."""
        pairs = list(zip(self.rates[ours], self.rates[theirs], strict=True))
        wall, cpu = (statistics.median(one[at] / other[at] for one, other in pairs) for at in (0, 1))
        return f"{ours} / {theirs}: {wall:.2f} by wall clock, {cpu:.2f} by CPU time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", nargs="?", type=Path, default=SHARED / "acl-anthology-2016plus.jsonl.gz")
    parser.add_argument("--papers", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    print(conditions())
    folder = arguments.folder.resolve()
    install(folder)
    work = folder / "mapping"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    run = Run(work, prepare(work, arguments.file, arguments.papers))
    print(f"{arguments.papers:,} papers, {run.count:,} triples")
    for _ in range(arguments.repeat):
        run.mapping_alone()
        for cores in (1, 2):
            run.quiver(cores)
            run.maplib(cores)
            run.morph(cores)
        run.rdflib()
        for cores in (1, 2):
            run.build(cores)
    run.check()
    for name, rates in run.rates.items():
        wall, cpu = (statistics.median(rate[at] for rate in rates) for at in (0, 1))
        print(f"{name:26} {wall:9,.0f} triples/s, {cpu:9,.0f} a second of CPU")
    for cores in (1, 2):
        for peer in PEERS:
            print(run.ratios(f"quiver convert, {cores}", f"{peer}, {cores}"))
        print(run.ratios(f"quiver build, {cores}", "rdflib, convert and load"))
    for peer in PEERS:
        print(run.ratios("quiver, mapping alone, 1", f"{peer}, 1"))


if __name__ == "__main__":
    main()
