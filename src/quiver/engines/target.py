"""Which endpoint holds a release, and how it is asked: what the settings say, as one value for processes to be told."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from quiver.config import Settings
from quiver.errors import InvalidSetting

_PLACE: Final = "{id}"


class Target(msgspec.Struct, frozen=True):
    """An endpoint. `credentials` never stand in a message, a page or a log; `graph` may hold `{id}`, for a release."""

    url: str
    graph: str = ""
    credentials: str = ""
    timeout_s: float = 30.0
    max_bytes: int = 100_000_000

    def __repr__(self) -> str:
        return f"Target({self.url!r}, graph={self.graph!r})"

    @classmethod
    def of(cls, settings: Settings) -> Target | None:
        """What the settings say; None where the library's own store answers.

        Raises:
            InvalidSetting: the endpoint is no address of HTTP, or has credentials in it.
        """
        url = settings.text("endpoint")
        if not url:
            return None
        check_address("endpoint", url)
        return cls(
            url,
            settings.text("endpoint_graph"),
            settings.text("endpoint_credentials"),
            settings.number("endpoint_timeout_s"),
            settings.integer("endpoint_max_bytes"),
        )

    def graph_of(self, release_id: str, base: str, *, needed: bool) -> str:
        """The named graph that holds the default graph of a release; empty for the engine's default graph.

        *needed*: the engine has no default graph of its own.
        """
        if self.graph:
            return self.graph.replace(_PLACE, release_id)
        return f"{base}releases/{release_id}" if needed else ""


def check_address(name: str, url: str) -> None:
    """Nothing, where *url* is an address of HTTP without credentials.

    Raises:
        InvalidSetting: it is none.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise InvalidSetting(f"{name}: {url!r} is no address", value=url, hint="Like http://localhost:7878/query")
    if parts.username or parts.password:
        raise InvalidSetting(
            f"{name}: an address with a user or password in it would stand in logs",
            hint="Put them into the environment: QUIVER_ENDPOINT_CREDENTIALS=user:password",
        )
