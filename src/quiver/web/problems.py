"""Errors as responses: problem details (RFC 9457), a page, or text, as the client accepts."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as UnknownPath
from werkzeug.wrappers import Response as BaseResponse

from quiver.errors import MalformedQuery, MemoryLimit, NotFound, Overloaded, QueryTimeout, QuiverError, ResultTooLarge
from quiver.negotiation import HTML, PROBLEM, TEXT, choose
from quiver.telemetry import logger

_LOG = logger("quiver.web")
# An identifier that stays; what each code means is in the documentation.
_TYPES: Final = "https://w3id.org/quiver/problems#"
_RETRY_AFTER_S: Final = "5"
_WHERE: Final = "/search finds papers, names and venues."
_EXCERPT_BEFORE: Final = 60
_EXCERPT_LENGTH: Final = 100
_LIMITS: Final = (QueryTimeout, MemoryLimit, Overloaded, ResultTooLarge)
_LIMIT_UNITS: Final = {QueryTimeout: "seconds", MemoryLimit: "bytes", Overloaded: "queries"}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The members of a problem document: those of RFC 9457, and `code`, `hint`, the place, the limit reached.

    `excerpt` is the line of the query at fault, and a second one with a caret under the column.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    excerpt: str = ""
    limit: int | float | None = None
    limit_unit: str = ""


def problem_of(error: QuiverError) -> Problem:
    """The problem document of *error*."""
    line = column = limit = None
    unit = excerpt = ""
    if isinstance(error, MalformedQuery):
        line, column = error.line, error.column
        if isinstance(error.value, str) and line and column:
            excerpt = _excerpt(error.value, line, column)
    if isinstance(error, _LIMITS) and isinstance(error.value, (int, float)):
        limit, unit = error.value, _LIMIT_UNITS.get(type(error), "")
    # What the software did wrong is for its log, not for the client.
    detail = error.message if error.status != 500 else "The server met an error of its own; its log has the details."
    return Problem(
        type=_TYPES + error.code,
        title=error.title,
        status=error.status,
        detail=_sentence(detail),
        code=error.code,
        hint=_sentence(error.hint),
        line=line,
        column=column,
        excerpt=excerpt,
        limit=limit,
        limit_unit=unit,
    )


def problem_response(problem: Problem) -> Response:
    """*problem* in the form that the present request accepts best; problem+json when it accepts none of them."""
    chosen = choose(request.headers.get("Accept"), (PROBLEM, HTML, TEXT)) or PROBLEM
    if chosen is HTML:
        # Before a release is open there is no frame to put a page in.
        body = render_template("problem.html", problem=problem, layout="base.html" if "graph" in g else "plain.html")
    elif chosen is TEXT:
        parts = (f"{problem.title} ({problem.status} {problem.code})", problem.detail, problem.excerpt, problem.hint)
        body = "\n".join(filter(None, parts)) + "\n"
    else:
        body = msgspec.json.format(msgspec.json.encode(problem), indent=2).decode() + "\n"
    response = Response(body, status=problem.status, content_type=chosen.content_type)
    response.vary.add("Accept")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Access-Control-Allow-Origin"] = "*"
    if problem.status == 503:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def register_problems(app: Flask) -> None:
    """Have *app* answer every error, its own and the framework's, by `problem_response`."""

    def on_error(error: QuiverError) -> Response:
        if error.status == 500:
            _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
        return problem_response(problem_of(error))

    def on_http_error(error: HTTPException) -> BaseResponse:
        status = error.code or 500
        if isinstance(error, UnknownPath):
            hint = f"Try it without the slash at its end. {_WHERE}" if request.path.endswith("/") else _WHERE
            return on_error(NotFound(f"there is no {request.path[:200]} here", value=request.path, hint=hint))
        original = error.get_response()
        if status < 400 or error.response is not None:
            return original
        slug = re.sub(r"[^a-z]+", "-", error.name.lower()).strip("-")
        detail = error.description or error.name
        response = problem_response(
            Problem(type=_TYPES + slug, title=error.name, status=status, detail=_sentence(detail), code=slug)
        )
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in original.headers:
                response.headers[name] = original.headers[name]
        return response

    app.register_error_handler(QuiverError, on_error)
    app.register_error_handler(HTTPException, on_http_error)


def _excerpt(query: str, line: int, column: int) -> str:
    """The line *line* of *query*, as far as it is near *column*, and below it a caret."""
    lines = query.split("\n", line)
    if line > len(lines):
        return ""
    text = "".join(character if character.isprintable() else " " for character in lines[line - 1])
    start = max(column - 1 - _EXCERPT_BEFORE, 0)
    before, after = "… " if start else "", " …" if len(text) > start + _EXCERPT_LENGTH else ""
    shown = text[start : start + _EXCERPT_LENGTH]
    return f"{before}{shown}{after}\n{' ' * (len(before) + column - 1 - start)}^"


def _sentence(text: str) -> str:
    """*text* with a capital letter and a full stop, as messages of the command line lack them."""
    text = text.strip()
    if not text:
        return text
    # What begins with an identifier (page=, name/papers) stays as it is written.
    first = text[0].upper() if text.split()[0].isalpha() else text[0]
    return first + text[1:] + ("" if text[-1] in ".!?" else ".")
