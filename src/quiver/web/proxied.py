"""The application behind reverse proxies: it sees the request as its client made it, and no forwarding field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from quiver.web.forwarding import FIELDS, Forwarding, path_below

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEYS: Final = {name: "HTTP_" + name.upper().replace("-", "_") for name in FIELDS}


class Proxied:
    """A WSGI application around another that sets the client's address, scheme and host, and the service's prefix."""

    def __init__(self, app: WSGIApplication, forwarding: Forwarding) -> None:
        self._app = app
        self._forwarding = forwarding

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        told = {name: str(environ.pop(key)) for name, key in _KEYS.items() if key in environ}
        arrival = self._forwarding.arrival(
            environ.get("REMOTE_ADDR", ""),
            environ["wsgi.url_scheme"],
            environ.get("HTTP_HOST", ""),
            lambda name: told.get(name, ""),
        )
        environ["REMOTE_ADDR"] = arrival.address
        environ["wsgi.url_scheme"] = arrival.scheme
        if arrival.host:
            environ["HTTP_HOST"] = arrival.host
        if arrival.prefix:
            path = path_below(environ.get("PATH_INFO", ""), arrival.prefix)
            if not path:
                return _to_root(arrival.prefix, environ, start_response)
            environ["SCRIPT_NAME"] = arrival.prefix
            environ["PATH_INFO"] = path
        return self._app(environ, start_response)


def _to_root(prefix: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A redirect from the prefix to the service's root: seen from the prefix, relative links would lead elsewhere."""
    # The query as it was sent, in Latin-1 (PEP 3333); a field holds ASCII.
    query = quote(environ.get("QUERY_STRING", ""), safe="%&=+/?:@!$'()*,;~", encoding="latin-1")
    target = f"{prefix}/" + (f"?{query}" if query else "")
    body = b"The service is at the address in the Location field.\n"
    fields = [
        ("Location", target),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response("308 PERMANENT REDIRECT", fields)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
