"""A query's result as a response: a short one as it is, a long one as a stream of the file that holds it."""

from __future__ import annotations

from typing import Final

from flask import Response, request

from quiver.evaluation import Evaluator, QueryAnswer, QueryRequest
from quiver.evaluation.results import INLINE_BYTES

# Under this key a server that is told when a client leaves puts a function that takes what is to be called then.
ON_CLIENT_GONE: Final = "quiver.on_client_gone"
# Under this key a server that evaluates queries itself puts the error that one has ended in.
FAILED: Final = "quiver.failed"
# Under this key the application leaves what a request counts as: its area, its named queries, the release it saw.
COUNTED: Final = "quiver.counted"


def evaluate_for_client(evaluator: Evaluator, asked: QueryRequest) -> QueryAnswer:
    """The answer to *asked*; the query is stopped when the client of the present request leaves.

    Raises:
        QuiverError: as `Evaluator.evaluate`.
    """
    pending = evaluator.submit(asked)
    if on_client_gone := request.environ.get(ON_CLIENT_GONE):
        on_client_gone(pending.cancel)
    return pending.result()


def send_answer(answer: QueryAnswer) -> Response:
    """The complete result, with its length; to HEAD without its body."""
    if answer.size <= INLINE_BYTES:
        return open_to_scripts(Response(answer.read(), content_type=answer.format.content_type))
    if request.method == "HEAD":
        answer.close()
        response = Response(content_type=answer.format.content_type)
    else:
        response = Response(answer.chunks(), content_type=answer.format.content_type)
        response.call_on_close(answer.close)
    response.content_length = answer.size
    return open_to_scripts(response)


def open_to_scripts(response: Response) -> Response:
    """*response*, readable by scripts of any site, and not confused with other forms of itself."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.vary.add("Accept")
    return response
