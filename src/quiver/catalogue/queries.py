"""Named queries, and what binding their parameters gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyoxigraph import Literal, NamedNode, QuerySolutions, Store, Variable

from quiver.catalogue.headers import Column, Header, Parameter, invalid_file, read_header
from quiver.catalogue.standalone import (
    choice_lines,
    mentioned_iris,
    page_lines,
    query_form,
    where_blocks,
    with_choices,
    with_page,
    with_values,
    without_page,
)
from quiver.errors import InvalidParameter, InvalidQueryFile
from quiver.namespaces import PREFIXES, term

_TRIPLE = (Column("subject", "iri"), Column("predicate", "iri"), Column("object", "term"))


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query ready to be run or shown: complete SPARQL, its parameters bound by VALUES in the text.

    `substitutions` holds the terms of the parameters that are columns, for who wants to say what was bound; running
    with them as well changes nothing.
    `searches`: it holds a SERVICE q:search, which has to be answered from the text index before the query can run here.
    `booleans` are the columns that hold true and false, which not every engine gives back as such.
    """

    text: str
    substitutions: Mapping[Variable, NamedNode | Literal]
    searches: bool = False
    booleans: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedQuery:
    """One file of the catalogue.

    `columns` are those of a SELECT; of CONSTRUCT and DESCRIBE subject, predicate and object; of ASK one, `answer`.
    """

    name: str
    title: str
    summary: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    paging: bool
    count: str
    facets: str
    uses: tuple[str, ...]
    chart: str
    materialise: bool
    sum: tuple[str, ...]
    local: int
    groups: tuple[str, ...]
    text: str
    form: str
    path: Path
    header_lines: int

    @property
    def area(self) -> str:
        return self.name.partition("/")[0]

    @property
    def result_columns(self) -> tuple[Column, ...]:
        """The columns that differ from row to row: those that are no parameter."""
        bound = {parameter.name for parameter in self.parameters if not parameter.optional}
        return tuple(column for column in self.columns if column.name not in bound)

    @property
    def examples(self) -> dict[str, str]:
        """The example value of each parameter that is not optional."""
        return {parameter.name: parameter.example for parameter in self.parameters if not parameter.optional}

    @cached_property
    def speaks_of(self) -> frozenset[str]:
        """The IRIs in its text: of properties and classes, for the most part."""
        return frozenset(mentioned_iris(self._body))

    @cached_property
    def _body(self) -> str:
        return "\n".join(self.text.splitlines()[self.header_lines :]).strip() + "\n"

    def executable_text(self) -> str:
        """The SPARQL without its header; its prefixes are in it."""
        return with_choices(without_page(self._body), {})

    def bind(self, values: Mapping[str, str], base: str, *, limit: int | None = None, offset: int = 0) -> BoundQuery:
        """The query with these values of its parameters; paths are relative to *base*; paging as in the file.

        Raises:
            InvalidParameter: an unknown or missing parameter, a value of another type, or paging where there is none.
        """
        unknown = sorted(set(values) - {parameter.name for parameter in self.parameters})
        if unknown:
            names = ", ".join(parameter.name for parameter in self.parameters) or "none"
            raise InvalidParameter(
                f"{self.name} has no parameter {', '.join(unknown)}", value=unknown, hint=f"Its parameters: {names}."
            )
        terms = {one.name: self._term(one, values, base) for one in self.parameters if not one.optional}
        choices = {
            one.name: one.parse(values[one.name], base)
            for one in self.parameters
            if one.optional and one.name in values
        }
        text = with_choices(self._paged(limit, offset), choices)
        if terms:
            text = with_values(text, terms)
        searches = "SERVICE" in self._body
        booleans = tuple(column.name for column in self.columns if column.kind == "boolean")
        return BoundQuery(text, {Variable(name): term for name, term in terms.items()}, searches, booleans)

    def _term(self, parameter: Parameter, values: Mapping[str, str], base: str) -> NamedNode | Literal:
        value = values.get(parameter.name, parameter.default)
        if value is None:
            raise InvalidParameter(
                f"{self.name} needs the parameter {parameter.name}",
                value=parameter.name,
                hint=f"It takes {parameter.kind_in_words}, such as {parameter.example}.",
            )
        return parameter.parse(value, base)

    def _paged(self, limit: int | None, offset: int) -> str:
        if limit is None and not offset:
            return without_page(self._body)
        if not self.paging:
            raise InvalidParameter(f"{self.name} has no pages", value=limit, hint="It answers in one piece.")
        if limit is None:
            raise InvalidParameter("offset goes with a limit", value=offset)
        for name, value in (("limit", limit), ("offset", offset)):
            # SPARQL cannot bind them, so they are the only values that ever reach the text as text.
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InvalidParameter(f"{name} {value!r} is not a count", value=value, hint="It is an integer from 0.")
        return with_page(self._body, limit, offset)


def parse_query(name: str, text: str, path: Path) -> NamedQuery:
    """The named query that the file *text* is; *path* is for errors.

    Raises:
        InvalidQueryFile: the header or the SPARQL is not valid, or they do not agree.
    """
    header, columns, lines = read_header(text, path)
    form = query_form("\n".join(text.splitlines()[lines:]))
    if form in ("construct", "describe"):
        columns = columns or _TRIPLE
    elif form == "ask":
        columns = columns or (Column("answer", "boolean"),)
    query = NamedQuery(
        name=name,
        title=header.title,
        summary=header.summary,
        parameters=header.parameters(),
        columns=columns,
        paging=header.paging,
        count=header.count,
        facets=header.facets,
        uses=header.uses,
        chart=header.chart,
        materialise=header.materialise,
        sum=header.sum,
        local=header.local,
        groups=tuple(map(term, header.groups)),
        text=text,
        form=form,
        path=path,
        header_lines=lines,
    )
    _check_body(query, header)
    return query


def _check_body(query: NamedQuery, header: Header) -> None:
    """Compare the SPARQL with what the header says of it, by running both on an empty store."""
    first = query.header_lines + 1
    body = "\n".join(query.text.splitlines()[query.header_lines :])
    for prefix, namespace in PREFIXES.items():
        for number, line in enumerate(body.splitlines(), first):
            words = line.split()
            if words[:2] == ["PREFIX", f"{prefix}:"] and words[2:] != [f"<{namespace}>"]:
                raise invalid_file(query.path, number, f"the prefix {prefix}: is {namespace} everywhere else")
    if page_lines(body) != int(header.paging):
        expected = "exactly one line `LIMIT 50 OFFSET 0 # page`" if header.paging else "no line marked `# page`"
        raise invalid_file(query.path, first, f"paging = {str(header.paging).lower()} goes with {expected}")
    for group in sorted(set(query.groups) - query.speaks_of):
        raise invalid_file(query.path, first, f"groups names <{group}>, of which the query does not speak")
    optional = {parameter.name: parameter.example for parameter in query.parameters if parameter.optional}
    if (places := choice_lines(body)) != set(optional):
        odd = ", ".join(sorted(places ^ set(optional)))
        message = (
            f"{odd}: each optional parameter has its line `VALUES ?wanted {{ UNDEF }} # param.NAME`, and no other has"
        )
        raise invalid_file(query.path, first, message)
    if not any(True for _ in where_blocks(body)):
        raise invalid_file(query.path, first, "no WHERE block: the keyword is written out in every file")
    try:
        bound = query.bind(query.examples, "http://localhost/")
        result = Store().query("\n" * query.header_lines + body, substitutions=dict(bound.substitutions))
        Store().query(bound.text)
        Store().query(query.bind({**query.examples, **optional}, "http://localhost/").text)
    except SyntaxError as error:
        place, message = _syntax_place(str(error))
        raise invalid_file(query.path, place or first, message) from None
    except RuntimeError as error:
        raise invalid_file(query.path, first, f"every parameter is projected by the outer SELECT: {error}") from None
    if isinstance(result, QuerySolutions):
        found = [variable.value for variable in result.variables]
        stated = [column.name for column in query.columns]
        if found != stated:
            raise invalid_file(query.path, first, f"columns are {', '.join(stated)}, but it selects {', '.join(found)}")


def _syntax_place(message: str) -> tuple[int, str]:
    """The line and the message of pyoxigraph's "error at LINE:COLUMN: message"."""
    place, _, rest = message.removeprefix("error at ").partition(": ")
    line = place.partition(":")[0]
    return (int(line), f"malformed SPARQL: {rest}") if line.isdigit() else (0, f"malformed SPARQL: {message}")


def invalid_companion(query: NamedQuery, role: str, name: str, message: str) -> InvalidQueryFile:
    """The error of a `count` or `facets` that names no fitting query."""
    return invalid_file(query.path, 1, f"{role} = {name!r}: {message}")
