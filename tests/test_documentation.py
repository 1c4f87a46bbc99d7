"""The documentation is true: settings, commands, URLs and the README's own example."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import click
import pyoxigraph
import pytest

from quiver import errors
from quiver.catalogue import load_catalogue
from quiver.cli import main
from quiver.config import SETTINGS, Settings, bundled
from quiver.evaluation.local import answer_locally
from quiver.releases import Release, build
from quiver.search import SearchIndex
from quiver.web import create_app

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Release:
    files = [bundled("data") / name for name in ("andrew-zhao.txt", "papers.jsonl")]
    return build(tmp_path_factory.mktemp("demo") / "library", files, settings=Settings(jobs=1)).release


def test_every_setting_has_its_row_as_it_is() -> None:
    for setting in SETTINGS:
        row = f"| `{setting.name}` | `{setting.default}` | {setting.unit} | {setting.help} |"
        assert row in README, row
    assert len(re.findall(r"^\| `[a-z_]+` \| `", README, re.MULTILINE)) == len(SETTINGS)


def test_every_command_is_described_and_every_described_option_exists() -> None:
    assert isinstance(main, click.Group)
    for name in main.commands:
        assert f"quiver {name}" in README, name
    for line in re.findall(r"^\| `quiver ([a-z]+)[^`]*` \| (.*) \|$", README, re.MULTILINE):
        name, text = line
        options = {option for parameter in main.commands[name].params for option in parameter.opts}
        for option in re.findall(r"`(--[a-z-]+)", text):
            assert option in options, f"{name} {option}"


def test_the_first_query_gives_the_answer_printed(demo: Release) -> None:
    query = re.search(r"<<'SPARQL'\n(.*?)\nSPARQL\n", README, re.DOTALL)
    answer = re.search(r"```csv\n(.*?)```", README, re.DOTALL)
    assert query
    assert answer
    result = demo.open_store().query(query[1])
    assert isinstance(result, pyoxigraph.QuerySolutions)
    data = result.serialize(format=pyoxigraph.QueryResultsFormat.CSV)
    assert data is not None
    assert data.decode().replace("\r\n", "\n") == answer[1]


def test_every_path_of_the_readme_is_served(demo: Release) -> None:
    client = create_app(demo.path.parents[1], Settings()).test_client()
    section = README.partition("## URLs")[2].partition("##")[0]
    paths = {
        path
        for path in re.findall(r"`(/[^`]*)`", section)
        # The endpoint and its editor need a broker, and have their own tests.
        if "{" not in path and path not in ("/sparql", "/editor.json")
    }
    assert len(paths) > 12
    for path in sorted(paths):
        assert client.get(path, follow_redirects=True).status_code == 200, path


def test_every_error_code_of_the_endpoint_is_one_with_its_status() -> None:
    statuses = {
        (one.code, str(one.status))
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.QuiverError)
    }
    section = README.partition("## SPARQL\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| ([0-9, ]+) \|", section, re.MULTILINE)
    assert len(rows) > 5
    for codes, given in rows:
        for code in re.findall(r"`([a-z-]+)`", codes):
            assert any((code, status) in statuses for status in given.split(", ")), code


def test_the_search_of_the_readme_finds_something(demo: Release) -> None:
    section = README.partition("## SPARQL\n")[2].partition("\n## ")[0]
    query = re.search(r"```sparql\n(.*?)```", section, re.DOTALL)
    assert query
    output = io.BytesIO()
    store, index = demo.open_store(), SearchIndex(demo.search_path)
    answer_locally(store, query[1], output, format_name="csv", open_index=lambda: index, base=demo.base)
    assert output.getvalue().count(b"\n") > 2


def test_the_shell_lines_are_those_that_ci_runs() -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    assert sum("quiver demo" in line for line in lines) == 1
    # As `.ci/run` takes it out.
    assert sum(bool(re.fullmatch(r"python3 .*/pytest .*", line)) for line in lines) == 1
    for line in lines:
        if line.startswith("quiver "):
            words = shlex.split(line)
            assert isinstance(main, click.Group)
            assert words[1] in main.commands


def test_every_named_query_says_what_it_answers() -> None:
    for query in load_catalogue():
        assert query.title
        assert query.summary.endswith(".")
        assert all(parameter.example for parameter in query.parameters), query.name


def test_links_between_documents_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (Path(__file__).resolve().parents[1] / target).exists(), target
