"""The walls between modules: who may import whom, and where the heavy libraries are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import quiver

PACKAGE = Path(quiver.__file__).parent

# Lowest first; a module imports only from those before it.
ORDER = (
    "errors",
    "config",
    "telemetry",
    "processes",
    "storage",
    "namespaces",
    "identifiers",
    "names",
    "records",
    "markup",
    "readers",
    "mapping",
    "derive",
    "validation",
    "search",
    "negotiation",
    "manifest",
    "descriptions",
    "feeds",
    "dumps",
    "filling",
    "catalogue",
    "releases",
    "publishing",
    "convert",
    "engines",
    "evaluation",
    "web",
    "cli",
)

# Library -> the only modules that may import it.
CONFINED = {
    "flask": {"web"},
    "werkzeug": {"web"},
    "granian": {"web"},
    "click": {"cli"},
    "tantivy": {"search"},
    "fsspec": {"storage"},
    "distributed": {"releases"},
    "rdflib": {"validation", "web"},
    "pyoxigraph": {
        "validation",
        "descriptions",
        "dumps",
        "filling",
        "catalogue",
        "releases",
        "publishing",
        "convert",
        "engines",
        "evaluation",
        "web",
    },
}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "quiver")
    return found


def test_every_module_has_its_place_in_the_order() -> None:
    assert {module_of(path) for path in FILES} - {"__init__"} <= set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_those_below_it(path: Path) -> None:
    own = module_of(path)
    if own == "__init__":
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "quiver" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{own} imports {name}"
            assert parts[1] != "web" or own in ("web", "cli"), f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_behind_their_walls(path: Path) -> None:
    for name in imports_of(path):
        library = name.split(".")[0]
        if library in CONFINED:
            assert module_of(path) in CONFINED[library], f"{path} imports {library}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_namespace_strings_stand_in_one_place(path: Path) -> None:
    """A full namespace IRI outside `namespaces` is a second place to get it wrong."""
    from quiver.namespaces import PREFIXES

    if module_of(path) == "namespaces":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert node.value not in PREFIXES.values(), f"{path}:{node.lineno}: {node.value}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_small_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
