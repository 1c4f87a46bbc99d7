"""The header of a query file: `#+` comment lines whose body is TOML."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from pyoxigraph import Literal, NamedNode

from quiver.errors import InvalidParameter, InvalidQueryFile
from quiver.identifiers import is_absolute_iri
from quiver.namespaces import term

PARAMETER_TYPES: Final = ("iri", "string", "integer", "year")
# "term" is a column whose cells are of several kinds: the objects of all of a node's properties, say.
COLUMN_KINDS: Final = ("iri", "string", "integer", "year", "decimal", "boolean", "term")
CHARTS: Final = ("", "bar")
# What URLs use for paging cannot name a parameter.
RESERVED: Final = ("limit", "offset", "page")
USES: Final = re.compile(r"page:[a-z-]+|api|example|quality")

_MARK: Final = "#+"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TOML_PLACE: Final = re.compile(r"\s*\(at line (\d+), column \d+\)")
_YEAR: Final = re.compile(r"[1-9][0-9]{3}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XSD_INTEGER: Final = NamedNode(term("xsd:integer"))

_KINDS_IN_WORDS: Final = {
    "iri": "an IRI, or a path below the base",
    "string": "text",
    "integer": "an integer",
    "year": "a year of four digits",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed parameter; `class_` is the prefixed name of the class that an IRI should have, or empty.

    An *optional* one narrows the answer where it has a value. It has no default, and is no column: it stands in the
    text by itself, as `VALUES ?wanted_year { UNDEF } # param.year`, where its value takes the place of UNDEF.
    """

    name: str
    type: str
    example: str
    class_: str = ""
    default: str | None = None
    help: str = ""
    optional: bool = False

    @property
    def required(self) -> bool:
        return self.default is None and not self.optional

    @property
    def kind_in_words(self) -> str:
        return _KINDS_IN_WORDS[self.type]

    def parse(self, value: str, base: str) -> NamedNode | Literal:
        """*value* as the term that the query is bound to; paths are relative to *base*.

        Raises:
            InvalidParameter: it is not of the parameter's type.
        """
        if self.type == "iri":
            iri = value if is_absolute_iri(value) else base + value.removeprefix("/")
            if value.strip("/") and is_absolute_iri(iri):
                return NamedNode(iri)
        elif self.type == "string":
            if not _CONTROL.search(value):
                return Literal(value)
        elif (_YEAR if self.type == "year" else _INTEGER).fullmatch(value.strip()):
            return Literal(str(int(value)), datatype=_XSD_INTEGER)
        raise InvalidParameter(
            f"parameter {self.name}: {value!r} is not {self.kind_in_words}",
            value=value,
            hint=f"It takes {self.kind_in_words}, such as {self.example}.",
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the answer and the kind of its cells, one of `COLUMN_KINDS`."""

    name: str
    kind: str


class _ParameterTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    example: str | int
    class_: str = msgspec.field(name="class", default="")
    default: str | int | None = None
    help: str = ""
    optional: bool = False


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a header may say; whatever else it says is an error."""

    title: str
    summary: str
    param: dict[str, _ParameterTable] = {}
    columns: tuple[str, ...] = ()
    paging: bool = False
    count: str = ""
    facets: str = ""
    uses: tuple[str, ...] = ("api",)
    chart: str = ""
    materialise: bool = False
    sum: tuple[str, ...] = ()
    local: int = 0
    groups: tuple[str, ...] = ()

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                name,
                table.type,
                str(table.example),
                table.class_,
                None if table.default is None else str(table.default),
                table.help,
                table.optional,
            )
            for name, table in self.param.items()
        )


class _HeaderError(Exception):
    """What is wrong with a header, and the key that it is about."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.key = key


def invalid_file(path: Path, line: int, message: str) -> InvalidQueryFile:
    """The error that names the file and the line."""
    return InvalidQueryFile(f"{path}:{line}: {message}", value=path)


def read_header(text: str, path: Path) -> tuple[Header, tuple[Column, ...], int]:
    """The header of the query file *text*, its columns, and how many lines it takes.

    Raises:
        InvalidQueryFile: there is none, it is no TOML, or it says something that a header cannot say.
    """
    body = []
    for line in text.splitlines():
        if not line.startswith(_MARK):
            break
        body.append(line.removeprefix(_MARK).removeprefix(" "))
    if not body:
        raise invalid_file(path, 1, f"no header: the file begins with lines of {_MARK} and TOML")
    for number, line in enumerate(text.splitlines()[len(body) :], len(body) + 1):
        if line.lstrip().startswith(_MARK):
            raise invalid_file(path, number, f"a line of {_MARK} after the end of the header")
    try:
        header = msgspec.convert(tomllib.loads("\n".join(body)), Header)
        columns = _check(header)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line_number = int(place[1]) if place else len(body)
        raise invalid_file(path, line_number, f"the header is no TOML: {_TOML_PLACE.sub('', str(error))}") from None
    except msgspec.ValidationError as error:
        raise invalid_file(path, _line_of(_key_in(str(error)), body), str(error)) from None
    except _HeaderError as fault:
        raise invalid_file(path, _line_of(fault.key, body), fault.message) from None
    return header, columns, len(body)


def _key_in(message: str) -> str:
    """The header key that a message of msgspec is about: its path, or the unknown field that it names."""
    path = re.search(r"`\$\.?([^`]*)`", message)
    key = path[1].replace("[...]", "") if path else ""
    unknown = re.search(r"unknown field `([^`]*)`", message)
    return unknown[1] if unknown and not key else key


def _line_of(key: str, body: list[str]) -> int:
    first = key.partition("[")[0]
    for number, line in enumerate(body, 1):
        if first and re.match(rf"\s*{re.escape(first)}\b", line):
            return number
    head = first.partition(".")[0]
    for number, line in enumerate(body, 1):
        if head and re.match(rf"\s*{re.escape(head)}\b", line):
            return number
    return 1


def _check(header: Header) -> tuple[Column, ...]:
    for key, value in (("title", header.title), ("summary", header.summary)):
        if not value.strip():
            raise _HeaderError(f"the {key} is empty", key)
    if header.chart not in CHARTS:
        raise _HeaderError(f"no chart of kind {header.chart!r}; there is {', '.join(filter(None, CHARTS))}", "chart")
    for use in header.uses:
        if not USES.fullmatch(use):
            raise _HeaderError(f"no use {use!r}; there are page:NAME, api, example and quality", "uses")
    if header.materialise and header.param:
        raise _HeaderError("a materialised query has no parameters: it is answered once for the release", "materialise")
    for key, said in (("sum", bool(header.sum)), ("local", bool(header.local))):
        if said and not header.materialise:
            raise _HeaderError(f"{key} is about a materialised answer: how it is carried to the next release", key)
    if header.local < 0 or (header.sum and header.local):
        raise _HeaderError("local is the most rows there are, and goes without sum", "local")
    if header.groups and not (header.sum or header.local):
        raise _HeaderError("groups say what sum or local counts together, and go with one of them", "groups")
    for name in header.groups:
        try:
            term(name)
        except KeyError:
            raise _HeaderError(f"unknown prefix in {name!r}", "groups") from None
    for name in header.sum:
        if f"{name} integer" not in header.columns:
            raise _HeaderError(f"sum names {name!r}, which is no integer column", "sum")
    for parameter in header.parameters():
        _check_parameter(parameter)
    return tuple(_column(text) for text in header.columns)


def _check_parameter(parameter: Parameter) -> None:
    key = f"param.{parameter.name}"
    if not _NAME.fullmatch(parameter.name) or parameter.name in RESERVED:
        raise _HeaderError(f"{parameter.name!r} cannot name a parameter", key)
    if parameter.optional and parameter.default is not None:
        raise _HeaderError("an optional parameter has no default: without a value it narrows nothing", key)
    if parameter.type not in PARAMETER_TYPES:
        raise _HeaderError(f"no parameter type {parameter.type!r}; there are {', '.join(PARAMETER_TYPES)}", key)
    if parameter.class_:
        if parameter.type != "iri":
            raise _HeaderError("only a parameter of type iri has a class", key)
        try:
            term(parameter.class_)
        except KeyError:
            raise _HeaderError(f"unknown prefix in {parameter.class_!r}", key) from None
    for value in (parameter.example, parameter.default):
        if value is None:
            continue
        try:
            parameter.parse(value, "http://localhost/")
        except InvalidParameter as error:
            raise _HeaderError(error.message, key) from None


def _column(text: str) -> Column:
    name, _, kind = text.partition(" ")
    if not _NAME.fullmatch(name) or kind not in COLUMN_KINDS:
        raise _HeaderError(f"{text!r} is no column; write a name and one of {', '.join(COLUMN_KINDS)}", "columns")
    return Column(name, kind)
