"""The catalogue as an OpenAPI 3.1 document, made from the headers of the query files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from quiver import __version__
from quiver.catalogue import Catalogue, NamedQuery, Parameter
from quiver.catalogue.collection import AREAS
from quiver.negotiation import HTML, JSON, Format

Json = dict[str, object]

_SCHEMAS: Final[dict[str, Json]] = {
    "iri": {"type": "string", "format": "iri-reference"},
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "year": {"type": "integer", "minimum": 1000, "maximum": 9999},
}
_TERM: Final[Json] = {
    "type": "object",
    "required": ["type", "value"],
    "properties": {
        "type": {"enum": ["uri", "literal", "bnode"]},
        "value": {"type": "string"},
        "datatype": {"type": "string"},
        "xml:lang": {"type": "string"},
    },
}
_RESULTS: Final[Json] = {
    "description": "SPARQL 1.1 Query Results JSON",
    "type": "object",
    "required": ["head"],
    "properties": {
        "head": {"type": "object", "properties": {"vars": {"type": "array", "items": {"type": "string"}}}},
        "results": {
            "type": "object",
            "properties": {
                "bindings": {
                    "type": "array",
                    "items": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Term"}},
                }
            },
        },
        "boolean": {"type": "boolean"},
    },
}
_PROBLEM: Final[Json] = {
    "description": "Problem details, RFC 9457",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
    },
}
_FAULTS: Final[dict[str, str]] = {
    "400": "A parameter is missing, unknown or has no valid value",
    "404": "No such query",
    "406": "Not answered in this format",
    "503": "No release to answer from",
}


def openapi_document(
    catalogue: Catalogue,
    formats_of: Callable[[NamedQuery], Sequence[Format]],
    *,
    title: str,
    licence: str,
    most: int,
) -> Json:
    """The document; *most* is the largest `limit=`. Addresses are relative to where the document is served."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{title}: named queries",
            "summary": "Documented questions to the graph, each one a SPARQL query with typed parameters.",
            "version": __version__,
            "license": {"name": "Licence of the descriptions", "url": licence},
        },
        "servers": [{"url": "."}],
        "tags": [{"name": area, "description": AREAS.get(area, area)} for area in catalogue.areas()],
        "paths": {
            f"/queries/{query.name}.{{format}}": {"get": _operation(query, formats_of(query), most)}
            for query in catalogue
        },
        "components": {"schemas": {"Term": _TERM, "Results": _RESULTS, "Problem": _PROBLEM}},
    }


def _operation(query: NamedQuery, formats: Sequence[Format], most: int) -> Json:
    data = [one for one in formats if one is not HTML]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    columns = ", ".join(f"`{column.name}` ({column.kind})" for column in query.columns)
    return {
        "operationId": query.name.replace("/", "_").replace("-", "_"),
        "tags": [query.area],
        "summary": query.title,
        "description": f"{query.summary}\n\nColumns: {columns}.",
        "parameters": [
            {
                "name": "format",
                "in": "path",
                "required": True,
                "schema": {"enum": [one.extension for one in data]},
                "example": data[0].extension,
            },
            *(_parameter(parameter) for parameter in query.parameters),
            *(_paging(most) if query.paging else ()),
        ],
        "responses": {
            "200": {
                "description": "The answer",
                "content": {
                    one.media_type: {"schema": {"$ref": "#/components/schemas/Results"}} if one is JSON else {}
                    for one in data
                },
            },
            **{status: {"description": words, "content": problem} for status, words in _FAULTS.items()},
        },
    }


def _parameter(parameter: Parameter) -> Json:
    schema: Json = dict(_SCHEMAS[parameter.type])
    number = parameter.type in ("integer", "year")
    if parameter.default is not None:
        schema["default"] = int(parameter.default) if number else parameter.default
    words = parameter.help or parameter.kind_in_words[0].upper() + parameter.kind_in_words[1:]
    if parameter.class_:
        words += f"; of the class {parameter.class_}"
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": words + ".",
        "schema": schema,
        "example": int(parameter.example) if number else parameter.example,
    }


def _paging(most: int) -> tuple[Json, Json]:
    return (
        {
            "name": "limit",
            "in": "query",
            "description": "Most rows to answer; without it as many as the query file says.",
            "schema": {"type": "integer", "minimum": 0, "maximum": most},
        },
        {
            "name": "offset",
            "in": "query",
            "description": "Rows to leave out; without limit= as many follow as limit= may ask for.",
            "schema": {"type": "integer", "minimum": 0, "default": 0},
        },
    )
