"""The settings: one frozen table of name, type, default, unit and help; read from TOML, environment and flags."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from quiver.errors import InvalidSetting

SettingValue = int | float | str | bool

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table; `default` also gives the type. What is `secret` is never shown."""

    name: str
    default: SettingValue
    unit: str
    help: str
    secret: bool = False

    @property
    def kind(self) -> str:
        return type(self.default).__name__

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"QUIVER_{self.name.upper()}"

    def parse(self, value: object) -> SettingValue:
        """*value* (text or a TOML value) as this setting's type.

        Raises:
            InvalidSetting: it has another type or is negative.
        """
        try:
            parsed = self._convert(value)
        except (TypeError, ValueError):
            shown = "what is given" if self.secret else repr(value)
            raise InvalidSetting(
                f"setting {self.name}: {shown} is no {self.kind}",
                value=None if self.secret else value,
                hint=f"{self.help} Default: {self.default}.",
            ) from None
        if not isinstance(parsed, (str, bool)) and parsed < 0:
            raise InvalidSetting(f"setting {self.name}: {value!r} is negative", value=value)
        return parsed

    def _convert(self, value: object) -> SettingValue:
        if isinstance(self.default, bool):
            if isinstance(value, bool):
                return value
            words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
            try:
                return words[str(value).strip().lower()]
            except KeyError:
                raise ValueError(value) from None
        if isinstance(self.default, str):
            if not isinstance(value, str):
                raise TypeError(value)
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise TypeError(value)
        return int(value) if isinstance(self.default, int) else float(value)


SETTINGS: tuple[Setting, ...] = (
    Setting("base", "http://localhost:8000/", "IRI", "Base of the IRIs that a build mints; ends in a slash."),
    Setting("jobs", 0, "processes", "Processes that read and map records; 0 means one for each core."),
    Setting(
        "executor",
        "",
        "address",
        "Where records are read and mapped instead of in own processes: `dask:tcp://HOST:PORT`, a Dask scheduler.",
    ),
    Setting(
        "scratch",
        "",
        "folder or URL",
        "What all workers of an executor see, to hand over files; empty: the library, on storage that they see.",
    ),
    Setting("partition_bytes", 16_000_000, "bytes", "Input handled by one mapping task at a time."),
    Setting("index_memory_bytes", 100_000_000, "bytes", "Memory in which the text index is written."),
    Setting(
        "allocator",
        "auto",
        "library",
        "Allocates memory where stores and text indexes are filled: a path, `auto` (what is installed) or `none`.",
    ),
    Setting(
        "compact_above",
        5_000_000,
        "quads",
        "Larger stores are compacted after loading: slower to build, faster to ask.",
    ),
    Setting(
        "compact_changes",
        10,
        "changes",
        "Every so many changes (add, remove, replace) the store is compacted and small parts are joined; 0 never.",
    ),
    Setting(
        "wait_s",
        0.0,
        "seconds",
        "How long a command that writes waits for another that writes to the same library or folder; 0 not at all.",
    ),
    Setting("disk_check", True, "switch", "Refuse to make a release that will probably not fit on the disk."),
    Setting("max_record_bytes", 64_000_000, "bytes", "Longest record (one line, or one page) that a reader takes."),
    Setting("host", "127.0.0.1", "address", "Address that the server binds."),
    Setting("port", 8000, "port", "Port that the server binds."),
    Setting(
        "trusted_proxies",
        "",
        "addresses",
        "Reverse proxies, by address or network, or the word unix, that are believed.",
    ),
    Setting(
        "proxy_fields",
        "x-forwarded-for x-forwarded-proto",
        "header fields",
        "Fields that every trusted proxy sets or removes; others may be the client's own, and count for nothing.",
    ),
    Setting("path_prefix", "", "path", "Where proxies put the service, as /dept/quiver; they may pass it on or not."),
    Setting("web_workers", 2, "processes", "Web processes of the server."),
    Setting("web_threads", 4, "threads", "Requests handled at once by one web process."),
    Setting(
        "order_workers", 1, "processes", "Processes that answer searches and filters, and give way to those of pages."
    ),
    Setting("body_bytes", 100_000_000, "bytes", "Request bodies that one web process holds at once."),
    Setting("spool_bytes", 2_000_000_000, "bytes", "Long results that one web process is sending at once."),
    Setting(
        "send_timeout_s", 60.0, "seconds", "Time after which a client that takes nothing of a long result is left."
    ),
    Setting("body_timeout_s", 30.0, "seconds", "Time in which the body of a request has to arrive."),
    Setting(
        "cache_bytes", 64_000_000, "bytes", "Answers of the current release that each web process keeps in memory."
    ),
    Setting("query_workers", 2, "processes", "Processes that evaluate SPARQL queries of users."),
    Setting("query_timeout_s", 30.0, "seconds", "Deadline of a query, from its arrival, queue included."),
    Setting("query_memory_bytes", 250_000_000, "bytes", "Memory that a query worker may add to its size at start."),
    Setting(
        "query_shared_bytes",
        0,
        "bytes",
        "Memory in which query workers may share the release, a copy for each counted; 0 leaves it on disk.",
    ),
    Setting("query_queue", 64, "queries", "Queries that may wait; more are answered 503."),
    Setting("query_max_bytes", 500_000_000, "bytes", "Largest serialised result of a query."),
    Setting("query_max_rows", 10_000_000, "rows", "Most solutions or triples of a result."),
    Setting("query_max_length", 1_000_000, "characters", "Longest query text."),
    Setting(
        "search_limit_max",
        10_000,
        "hits",
        "Most hits of one SERVICE q:search, and most results in one file (CSV, BibTeX, RIS, CSL-JSON) of a search.",
    ),
    Setting("service_allow", "", "IRIs", "Endpoints, separated by spaces, that SERVICE may reach; none by default."),
    Setting("endpoint", "", "address", "SPARQL endpoint that answers instead of the library's own store."),
    Setting(
        "endpoint_graph",
        "",
        "IRI",
        "Named graph there that holds the release's facts, `{id}` its id; empty: the engine's default graph.",
    ),
    Setting("endpoint_credentials", "", "secret", "For the endpoint: `user:password`, or a bearer token.", True),
    Setting("endpoint_timeout_s", 30.0, "seconds", "Time in which the endpoint has to answer a page's question."),
    Setting("endpoint_max_bytes", 100_000_000, "bytes", "Largest answer of the endpoint that a page takes."),
    Setting("page_size", 50, "rows", "Rows of a list on a page."),
    Setting("page_size_max", 1000, "rows", "Most rows that page= and limit= may ask for at once."),
    Setting("release_poll_s", 1.0, "seconds", "How often a server looks for a new release."),
    Setting(
        "keep_releases", 3, "releases", "Releases that a build or change keeps, the current one included; 0 keeps all."
    ),
    Setting(
        "release_grace_s",
        0.0,
        "seconds",
        "Time for which a release is kept after another took its place, for readers that its locks do not reach.",
    ),
    Setting("licence", "https://creativecommons.org/publicdomain/zero/1.0/", "IRI", "Licence of what is served."),
    Setting("title", "Quiver", "text", "Name of the service, on every page."),
    Setting("log_level", "INFO", "level", "Lowest level that is logged: DEBUG, INFO, WARNING or ERROR."),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Settings(Mapping[str, SettingValue]):
    """The values in force; immutable. Values by name, or by type: `text`, `integer`, `number`, `flag`."""

    def __init__(self, **values: object) -> None:
        unknown = sorted(set(values) - set(_BY_NAME))
        if unknown:
            raise InvalidSetting(
                f"unknown setting {', '.join(unknown)}", value=unknown, hint="`quiver settings` lists them all."
            )
        self._values = {
            name: setting.parse(values[name]) if name in values else setting.default
            for name, setting in _BY_NAME.items()
        }

    def __getitem__(self, name: str) -> SettingValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def text(self, name: str) -> str:
        return str(self._values[name])

    def integer(self, name: str) -> int:
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        return bool(self._values[name])

    def number(self, name: str) -> float:
        return float(self._values[name])

    def replace(self, **values: object) -> Settings:
        """These settings with some values changed."""
        return Settings(**{**self._values, **values})


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings by precedence: flags that are not None, environment, TOML file, defaults.

    Raises:
        InvalidSetting: an unknown name, a wrong value, or a file that is no TOML.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    if file is not None:
        try:
            values.update(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InvalidSetting(f"settings file {file}: {error}", value=file) from error
    for setting in SETTINGS:
        if setting.variable in environment:
            values[setting.name] = environment[setting.variable]
    values.update({name: value for name, value in (flags or {}).items() if value is not None})
    return Settings(**values)


def bundled(name: str) -> Path:
    """The folder `ontology`, `queries` or `data`: inside the wheel, else at the top of the source tree.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for folder in (_PACKAGE / "_bundled" / name, _PACKAGE.parents[1] / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation of quiver lacks its folder {name}/")
