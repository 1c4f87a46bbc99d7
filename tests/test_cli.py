"""The command line: what it says, what it exits with, and that every command helps."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import click
import pyoxigraph
import pytest
from click.testing import CliRunner, Result

from quiver.cli import main
from quiver.releases import Library
from tests.sample import write_sample


def quiver(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    result = quiver("build", folder / "library", *write_sample(folder))
    assert result.exit_code == 0, result.output
    return folder / "library"


def commands() -> list[tuple[str, click.Command]]:
    assert isinstance(main, click.Group)
    return sorted(main.commands.items())


def test_the_commands_are_those_of_the_contract() -> None:
    assert {name for name, _ in commands()} >= {
        "add",
        "build",
        "convert",
        "demo",
        "dump",
        "formats",
        "queries",
        "query",
        "rebase",
        "releases",
        "remove",
        "replace",
        "serve",
        "settings",
        "validate",
        "verify",
    }


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_and_option_says_what_it_does(name: str, command: click.Command) -> None:
    result = quiver(name, "--help")
    assert result.exit_code == 0
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_build_says_what_became_of_every_record(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"title": "A"}\n{"title": "A"}\n{"title": 1}\n')
    result = quiver("build", tmp_path / "library", path)
    assert result.exit_code == 0
    assert "3 records read = 1 accepted + 1 duplicate + 1 rejected" in result.stdout
    assert "x.jsonl:3: the record has a title that is a number" in result.stderr
    assert "Rejects are written to" in result.stderr


def test_failures_exit_with_one_and_usage_with_two(tmp_path: Path, library: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    failing: list[tuple[object, ...]] = [
        ("build", tmp_path / "x", bad),
        ("verify", tmp_path / "none"),
        ("query", library, "SELECT"),
        ("query", library, "name/nothing"),
        ("query", library, "name/papers"),
        ("query", library, "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }"),
        ("query", library, "INSERT DATA { <a:a> <a:a> <a:a> }"),
        ("releases", library, "--rollback", "nothing"),
        ("convert", bad),
    ]
    for arguments in failing:
        result = quiver(*arguments)
        assert result.exit_code == 1, (arguments, result.output)
        assert "Error: " in result.stderr or "Not taken: " in result.stderr, (arguments, result.stderr)
        assert "Traceback" not in result.output
    misused: list[tuple[object, ...]] = [
        ("build",),
        ("build", library, tmp_path / "none"),
        ("build", tmp_path / "x", bad, "--format", "bibtex"),
        ("build", tmp_path / "x", bad, "--base", "nonsense"),
        ("build", tmp_path / "x", bad, "--source", "a/b"),
        ("rebase", library, "nonsense"),
        ("query", library, "name/papers", "--param", "cluster"),
        ("nothing",),
        ("query", library),
    ]
    for arguments in misused:
        assert quiver(*arguments).exit_code == 2


def test_a_wrong_setting_is_usage(tmp_path: Path, library: Path) -> None:
    config = tmp_path / "quiver.toml"
    config.write_text('port = "many"\n')
    result = quiver("--config", config, "settings")
    assert result.exit_code == 2
    assert "setting port: 'many' is no int" in result.stderr
    config.write_text("prot = 1\n")
    assert "unknown setting prot" in quiver("--config", config, "settings").stderr
    config.write_text("port = 8123\n")
    assert "port = 8123" in quiver("--config", config, "settings").stdout


def test_query_answers_text_files_and_names(tmp_path: Path, library: Path) -> None:
    count = "SELECT (COUNT(*) AS ?n) { ?p a <https://w3id.org/quiver/ontology#Paper> }"
    assert quiver("query", library, count).stdout == "?n\n7\n"
    file = tmp_path / "count.rq"
    file.write_text(count)
    assert quiver("query", library, file, "--format", "csv").stdout.split() == ["n", "7"]
    named = quiver("query", library, "name/papers", "--param", "cluster=name/mia_fried", "--format", "json")
    titles = {row["title"]["value"] for row in json.loads(named.stdout)["results"]["bindings"]}
    assert "A Paper That Lost a Name" in titles
    assert len(titles) == 5
    graph = quiver("query", library, "DESCRIBE <http://localhost:8000/name/mia_fried>")
    assert "q:NotAnIdentity" in graph.stdout
    assert quiver("query", library, "ASK {}").stdout == '{"head":{},"boolean":true}'
    assert quiver("query", library, "ASK {}", "--format", "ttl").exit_code == 1


def test_a_dump_has_as_many_lines_as_the_store_has_quads(tmp_path: Path, library: Path) -> None:
    quads = Library(library).current().manifest.quads
    for name in ("x.nq", "x.nt", "x.nq.gz"):
        assert quiver("dump", library, "--output", tmp_path / name, "--quiet").exit_code == 0
        data = (tmp_path / name).read_bytes()
        assert (gzip.decompress(data) if name.endswith(".gz") else data).count(b"\n") == quads
    turtle = tmp_path / "x.ttl"
    assert quiver("dump", library, "--output", turtle, "--quiet").exit_code == 0
    assert len(list(pyoxigraph.parse(path=str(turtle), format=pyoxigraph.RdfFormat.TURTLE))) == quads
    assert list(tmp_path.glob(".*")) == []


def test_a_dump_that_cannot_be_written_leaves_nothing_half_done(tmp_path: Path, library: Path) -> None:
    result = quiver("dump", library, "--output", tmp_path / "nowhere" / "x.nq")
    assert result.exit_code == 1
    assert "nowhere" in result.stderr


def test_convert_gives_the_quads_of_a_release_without_what_is_derived(tmp_path: Path) -> None:
    page, records = write_sample(tmp_path)
    assert quiver("build", tmp_path / "library", page, records).exit_code == 0
    stored = {str(quad) + " ." for quad in Library(tmp_path / "library").current().open_store()}
    converted = quiver("convert", page, records).stdout.splitlines()
    assert len(converted) > 100
    assert set(converted) < stored


def test_convert_to_json_lines_can_be_built_again_to_the_same(tmp_path: Path) -> None:
    page, _ = write_sample(tmp_path)
    again = tmp_path / "again.jsonl"
    again.write_text(quiver("convert", page, "--to", "jsonl").stdout)
    one, other = tmp_path / "one", tmp_path / "other"
    assert quiver("build", one, page).exit_code == 0
    assert quiver("build", other, again, "--source", "arrow").exit_code == 0

    def content(path: Path) -> set[str]:
        lines = {str(quad) for quad in Library(path).current().open_store()}
        # The file is another one, so its own description, and the place in it, differ.
        return {line for line in lines if "/source/" not in line and "recordLocator" not in line}

    assert content(one) == content(other)


def test_releases_lists_and_goes_back(tmp_path: Path) -> None:
    files = write_sample(tmp_path)
    for _ in range(2):
        assert quiver("build", tmp_path / "library", *files, "-q").exit_code == 0
    first, second = Library(tmp_path / "library").ids()
    listing = quiver("releases", tmp_path / "library").stdout.splitlines()
    assert [line[0] for line in listing] == [" ", "*"]
    assert "is current" in quiver("releases", tmp_path / "library", "--rollback", first).stdout
    assert quiver("releases", tmp_path / "library").stdout.startswith(f"* {first}")
    assert f"removed {second}" in quiver("releases", tmp_path / "library", "--keep", 1).stdout


def test_verify_exits_with_one_on_damage(tmp_path: Path) -> None:
    assert quiver("build", tmp_path / "library", *write_sample(tmp_path)).exit_code == 0
    assert quiver("verify", tmp_path / "library").exit_code == 0
    release = Library(tmp_path / "library").current()
    with release.part_paths[0].open("ab") as file:
        file.write(b"x")
    result = quiver("verify", tmp_path / "library")
    assert result.exit_code == 1
    assert str(release.part_paths[0].relative_to(release.path)) in result.stderr


def test_validate_reports_and_exits_by_conformance(tmp_path: Path, library: Path) -> None:
    result = quiver("validate", library)
    assert result.exit_code == 0, result.output
    bad = tmp_path / "bad.ttl"
    bad.write_text(
        "@prefix q: <https://w3id.org/quiver/ontology#> . <http://e/name/x> a q:NameCluster, "
        "<http://xmlns.com/foaf/0.1/Person> ."
    )
    result = quiver("validate", bad)
    assert result.exit_code == 1
    assert "http://e/name/x" in result.stdout


def test_validate_says_what_it_could_not_check(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"title": "Good"}\n{}\n')
    result = quiver("validate", path)
    assert "Not taken, so not checked: x.jsonl:2" in result.stderr


def test_serving_an_address_in_use_and_a_local_base_to_others(library: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        result = quiver("serve", library, "--host", "0.0.0.0", "--port", taken.getsockname()[1])
    assert result.exit_code == 2
    assert "nobody else can reach" in result.stderr
    assert "cannot serve on 0.0.0.0" in result.stderr
    assert "Traceback" not in result.output


def test_progress_is_plain_lines_where_the_output_is_no_terminal(tmp_path: Path) -> None:
    result = quiver("build", tmp_path / "library", *write_sample(tmp_path))
    assert "Reading records: 0.0 MB," in result.stderr
    assert "\r" not in result.stderr
    assert "\x1b" not in result.stderr
    assert quiver("build", tmp_path / "library", *write_sample(tmp_path), "--quiet").stderr == ""
    more = tmp_path / "more.jsonl"
    more.write_text('{"key": "a", "title": "A"}\n')
    # What changes in a store is counted in statements, what is loaded in bytes.
    stderr = quiver("add", tmp_path / "library", more).stderr
    assert re.search(r"^Changing the store: [0-9]+ statements, ", stderr, re.MULTILINE)
    assert "Loading the store" not in stderr


def test_a_reader_of_our_output_may_leave(library: Path) -> None:
    """`quiver dump | head -1` ends without a word."""
    command = f"{sys.executable} -m quiver.cli dump {library} | head -1"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, check=True, timeout=60)
    assert result.stdout.count(b"\n") == 1
    assert result.stderr == b""


def test_records_are_added_replaced_and_removed(tmp_path: Path) -> None:
    library, more = tmp_path / "library", tmp_path / "more.jsonl"
    quiver("build", library, *write_sample(tmp_path))
    papers = Library(library).current().manifest.counts["papers"]
    more.write_text('{"key": "a", "title": "A"}\n{"title": ""}\n')
    added = quiver("add", library, more, "--source", "extra", "-q")
    assert added.exit_code == 0
    assert "2 records read = 1 accepted + 0 duplicate + 1 rejected" in added.output
    assert Library(library).current().manifest.counts["papers"] == papers + 1
    more.write_text('{"key": "a", "title": "A, mended"}\n{"key": "b", "title": "B"}\n')
    replaced = quiver("replace", library, "extra", more, "-q")
    assert "2 records read = 2 accepted" in replaced.output
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    title = quiver("query", library, f"SELECT ?t {{ <http://localhost:8000/paper/extra/a> <{label}> ?t }}")
    assert '"A, mended"' in title.output
    removed = quiver("remove", library, "extra", "-q")
    assert removed.output.startswith("extra is removed; ")
    assert Library(library).current().manifest.counts["papers"] == papers
    assert quiver("verify", library, "-q").exit_code == 0
    refused = quiver("remove", library, "extra", "-q")
    assert (refused.exit_code, "no source 'extra'" in refused.output) == (1, True)
    assert "It has " in refused.output
