"""Who really asks, and under which address: what reverse proxies forward, believed only where a trusted one says it.

A proxy appends to a field; what stands before its own entry was sent by whoever asked it. So fields are read from the
right, one entry for each trusted hop, and the first hop that is not trusted is the client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from quiver.config import Settings
from quiver.errors import InvalidSetting

# Field by name in lower case -> its value, the lines of a repeated field joined by commas (RFC 9110, 5.3); "" for none.
Field = Callable[[str], str]

FOR: Final = "x-forwarded-for"
PROTO: Final = "x-forwarded-proto"
HOST: Final = "x-forwarded-host"
PORT: Final = "x-forwarded-port"
PREFIX: Final = "x-forwarded-prefix"
FORWARDED: Final = "forwarded"
FIELDS: Final = (FOR, PROTO, HOST, PORT, PREFIX, FORWARDED)
# The word in `trusted_proxies` for a peer that has no address.
UNIX: Final = "unix"
_MOST_HOPS: Final = 32
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_SEGMENT: Final = r"[A-Za-z0-9._~-]+"
_PREFIX: Final = re.compile(rf"(?:/(?!\.{{1,2}}(?:/|$)){_SEGMENT})*")
_AUTHORITY: Final = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_NODE: Final = re.compile(r"([0-9.]{7,15})(?::[0-9]{1,5})?|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?")
# RFC 7239, 4: forwarded-pair = token "=" (token / quoted-string); a list of elements of pairs.
_PAIR: Final = re.compile(r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([^\s",;=]+)|"((?:[^"\\]|\\.)*)")[ \t]*([,;]|$)""")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as the client made it: its address ("" for none known), and how it knows the service."""

    address: str
    scheme: str
    host: str
    prefix: str = ""

    @property
    def client(self) -> str:
        """Whose share of the service the request takes: see `client_key`."""
        return client_key(self.address)


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy says of the request that reached it; empty where it says nothing valid."""

    address: str = ""
    scheme: str = ""
    host: str = ""


class Forwarding:
    """What is believed: the networks of trusted proxies, the fields that they set, the prefix of the service.

    Raises:
        InvalidSetting: an address, a network, a field or a prefix is none.
    """

    def __init__(self, trusted: str = "", fields: str = " ".join(FIELDS), prefix: str = "") -> None:
        self.prefix = parse_prefix(prefix)
        self._trusts_sockets = False
        self._networks = []
        for word in trusted.replace(",", " ").split():
            if word.lower() == UNIX:
                self._trusts_sockets = True
                continue
            try:
                self._networks.append(ip_network(word, strict=False))
            except ValueError as error:
                raise InvalidSetting(
                    f"setting trusted_proxies: {error}",
                    value=word,
                    hint="Addresses or networks: 10.0.0.5 fd00::/8 unix.",
                ) from None
        self._fields = frozenset(fields.lower().replace(",", " ").split())
        if unknown := sorted(self._fields - set(FIELDS)):
            raise InvalidSetting(
                f"setting proxy_fields: {', '.join(unknown)}", value=unknown, hint=f"There is {', '.join(FIELDS)}."
            )
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)

    @classmethod
    def of(cls, settings: Settings) -> Forwarding:
        """What the settings say."""
        return cls(settings.text("trusted_proxies"), settings.text("proxy_fields"), settings.text("path_prefix"))

    def arrival(self, peer: str, scheme: str, host: str, field: Field) -> Arrival:
        """The request as the client made it, from the connection's *peer* (with or without port) and the fields.

        Fields count only where the peer is trusted; a value that is none counts as not given.

        >>> proxied = Forwarding("10.0.0.0/8").arrival
        >>> fields = {"x-forwarded-for": "6.6.6.6, 192.0.2.7", "x-forwarded-proto": "https"}
        >>> proxied("10.0.0.1:4711", "http", "kg.org", lambda name: fields.get(name, ""))
        Arrival(address='192.0.2.7', scheme='https', host='kg.org', prefix='')
        """
        address = parse_address(peer)
        if not self.is_trusted(address):
            return Arrival(address, scheme, host, self.prefix)
        hops: Sequence[Hop] = ()
        if FORWARDED in self._fields and (text := field(FORWARDED)):
            hops = self._hops(address, parse_forwarded(text))
        if not hops:
            hops = self._hops(address, [Hop(parse_address(item)) for item in self._items(FOR, field)])
        count = max(1, len(hops))
        scheme = self._last(hops, "scheme") or _scheme(self._nth(PROTO, field, count)) or scheme
        told = self._last(hops, "host") or _host(self._nth(HOST, field, count))
        port = self._nth(PORT, field, count)
        return Arrival(
            next((hop.address for hop in reversed(hops) if hop.address), address),
            scheme,
            _with_port(told or host, port, scheme) if port else told or host,
            self._prefix(field, count),
        )

    def is_trusted(self, address: str) -> bool:
        """Whether a peer with this address ("" for a Unix socket) is a proxy whose fields count."""
        if not self._networks and not self._trusts_sockets:
            return False
        return bool(self._is_trusted(address))

    def _look_up(self, address: str) -> bool:
        if not address:
            return self._trusts_sockets
        return any(ip_address(address) in network for network in self._networks)

    def _hops(self, peer: str, told: Sequence[Hop]) -> list[Hop]:
        """The entries that trusted hops wrote, the nearest first; the last has the client."""
        hops: list[Hop] = []
        for hop in reversed(told[-_MOST_HOPS:]):
            hops.append(hop)
            if not hop.address or not self.is_trusted(hop.address):
                break
        return hops

    def _items(self, name: str, field: Field) -> list[str]:
        if name not in self._fields or not (text := field(name)):
            return []
        return [item.strip() for item in text.split(",")]

    def _nth(self, name: str, field: Field, count: int) -> str:
        """The item written by the hop next to the client: proxies append an item each, or replace the whole field."""
        items = self._items(name, field)
        return items[-count] if len(items) >= count else items[0] if items else ""

    def _prefix(self, field: Field, count: int) -> str:
        """Each proxy may have taken a prefix off: the outermost first, as they are appended."""
        text = "".join(item.rstrip("/") for item in self._items(PREFIX, field)[-count:])
        return text if text and _PREFIX.fullmatch(text) else self.prefix

    @staticmethod
    def _last(hops: Sequence[Hop], name: str) -> str:
        return next((value for hop in reversed(hops) if (value := str(getattr(hop, name)))), "")


def parse_forwarded(text: str) -> list[Hop]:
    """The elements of a Forwarded field (RFC 7239), in order; none where the field as a whole does not parse.

    >>> parse_forwarded('for="[2001:db8::17]:4711";proto=https, for=unknown;host=e.org')
    [Hop(address='2001:db8::17', scheme='https', host=''), Hop(address='', scheme='', host='e.org')]
    """
    hops: list[Hop] = []
    pairs: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        # A parameter twice is an error (RFC 7239, 4).
        if match is None or match[1].lower() in pairs:
            return []
        position = match.end()
        quoted = re.sub(r"\\(.)", r"\1", match[3] or "")
        pairs[match[1].lower()] = match[2] or quoted
        if match[4] != ";":
            address = parse_address(pairs.get("for", ""))
            hops.append(Hop(address, _scheme(pairs.get("proto", "")), _host(pairs.get("host", ""))))
            pairs = {}
    return hops if not pairs else []


def parse_address(text: str) -> str:
    """The IP address in *text*, with or without a port, in its one shortest form; "" where there is none.

    >>> [parse_address(text) for text in ("192.0.2.1:80", "[2001:DB8::0]:443", "::ffff:192.0.2.1", "_hidden")]
    ['192.0.2.1', '2001:db8::', '192.0.2.1', '']
    """
    text = text.strip()
    node = _NODE.fullmatch(text)
    try:
        address = ip_address((node[1] or node[2]) if node else text)
    except ValueError:
        return ""
    # A listener for both families shows IPv4 clients so.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address).partition("%")[0]


@lru_cache(maxsize=4096)
def client_key(address: str) -> str:
    """Whose share a request from *address* takes: an IPv6 client has a /64 of addresses to ask from (RFC 6177, 2).

    >>> client_key("2001:db8:1:2:3::4"), client_key("192.0.2.1")
    ('2001:db8:1:2::/64', '192.0.2.1')
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if isinstance(parsed, IPv4Address) else str(IPv6Network((int(parsed) >> 64 << 64, 64)))


def parse_prefix(text: str) -> str:
    """*text* as the prefix of paths: with a slash before and none behind, empty for none.

    Raises:
        InvalidSetting: it is no path of plain segments.
    """
    prefix = text.strip().strip("/")
    prefix = f"/{prefix}" if prefix else ""
    if not _PREFIX.fullmatch(prefix):
        raise InvalidSetting(
            f"setting path_prefix: {text!r} is no path", value=text, hint="Letters, digits and - . _ ~ : /dept/quiver"
        )
    return prefix


def path_below(path: str, prefix: str) -> str:
    """*path* below *prefix*, whether the proxy passed the prefix on or took it off; "" for the prefix without a slash.

    A path that begins otherwise is taken as one whose prefix is off already: what is not ours is then not found.
    """
    return path[len(prefix) :] if prefix and (path == prefix or path.startswith(f"{prefix}/")) else path


def _scheme(text: str) -> str:
    return text.lower() if text.lower() in _DEFAULT_PORTS else ""


def _host(text: str) -> str:
    match = _AUTHORITY.fullmatch(text)
    return text if match and (not match[2] or int(match[2]) < 65536) else ""


def _with_port(host: str, port: str, scheme: str) -> str:
    match = _AUTHORITY.fullmatch(host)
    if match is None or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return host
    return match[1] if port == _DEFAULT_PORTS.get(scheme) else f"{match[1]}:{int(port)}"
