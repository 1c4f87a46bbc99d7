"""Behind a real nginx under a path: every link, redirect and form stays inside, and no client can forge its origin."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.browsing import BASE, Page
from tests.serving import Server, fetch, free_port, serving, wait_until_healthy

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian's package nginx-light)")

PREFIX = "/dept/quiver/"
# nginx comes from 127.0.0.1, which is trusted; a client must come from elsewhere.
CLIENT = "127.0.0.2"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MOST_OF_A_KIND = 6
# Of a kind with several parameters: they are put together in more than 300 ways.
MOST_TOGETHER = 2
SPOOFED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": 'for="203.0.113.9";host=evil.example;proto=https',
    "X-Real-IP": "203.0.113.9",
    "X_Forwarded_For": "203.0.113.9",
}
_CONFIGURATION = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  {servers}
}}
"""
_SERVER = "server {{ listen 127.0.0.1:{port}; location {prefix} {{ proxy_pass http://127.0.0.1:{upstream}; }} }}"


@pytest.fixture(scope="module")
def informed(web_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows its prefix and its proxy."""
    folder = tmp_path_factory.mktemp("informed")
    with serving(web_library, folder, trusted_proxies="127.0.0.1", path_prefix=PREFIX, web_workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def uninformed(web_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows neither."""
    with serving(web_library, tmp_path_factory.mktemp("uninformed"), web_workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def ports(informed: Server, uninformed: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of nginx, by what it does."""
    folder = tmp_path_factory.mktemp("nginx")
    upstreams = {"strips": f"{informed.port}/", "passes on": str(informed.port), "silent": f"{uninformed.port}/"}
    found = {name: free_port() for name in upstreams}
    servers = "\n".join(
        _SERVER.format(port=found[name], prefix=PREFIX, upstream=upstream) for name, upstream in upstreams.items()
    )
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(folder=folder, servers=servers))
    assert NGINX is not None
    log = folder / "nginx.log"
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until_healthy(found["strips"], process, log, f"{PREFIX}health")
            yield found
        finally:
            process.terminate()


def kind_of(path: str) -> str:
    """What is alike, so that no kind of address is left out and none is asked for all its members."""
    parts = urlsplit(path)
    words = parts.path.removeprefix(PREFIX).split("/")
    extension = words[-1].rpartition(".")[2] if "." in words[-1] else ""
    query = ",".join(sorted(re.findall(r"([^&=]+)=", parts.query)))
    return f"{words[0] if len(words) > 1 else words[0][:12]}/{len(words) > 1}.{extension}?{query}"


def most_of(kind: str) -> int:
    """How many addresses of a kind are asked for."""
    return MOST_TOGETHER if "," in kind.rpartition("?")[2] else MOST_OF_A_KIND


def addresses(url: str, headers: Mapping[str, str], body: bytes) -> Iterator[tuple[str, str]]:
    """Every address in a response that belongs to the service, resolved, with where it stands."""
    for name in ("location", "content-location"):
        if name in headers:
            yield name, urljoin(url, headers[name])
    for target, rest in re.findall(r"<([^>]*)>([^,]*)", headers.get("link", "")):
        if 'rel="cite-as"' not in rest:
            yield "link field", urljoin(url, target)
    media_type = headers.get("content-type", "").partition(";")[0]
    path = urlsplit(url).path
    if media_type == "text/html":
        page = Page(body.decode())
        for tag, attributes in page.tags:
            if tag == "link" and attributes.get("rel") in ("canonical", "license"):
                assert urlsplit(attributes["href"]).scheme
                continue
            for name in ("href", "src", "action", "formaction", "poster"):
                value = attributes.get(name, "")
                outside = tag == "a" and urlsplit(value).scheme
                if name in attributes and not outside and not value.startswith("#"):
                    yield f"{tag} {name}", urljoin(url, value)
            for one in attributes.get("srcset", "").split(","):
                if one.strip():
                    yield "srcset", urljoin(url, one.split()[0])
    elif media_type == "text/css":
        for target in re.findall(rb"url\(['\"]?([^'\")]+)", body):
            yield "css", urljoin(url, target.decode())
    elif path.endswith("sitemap.xml"):
        for target in re.findall(r"<loc>([^<]*)</loc>", body.decode()):
            yield "sitemap", unescape(target)
    elif path.endswith("robots.txt"):
        for target in re.findall(r"(?:Sitemap|Disallow): ([^*\s]+)", body.decode()):
            yield "robots", urljoin(url, target)
    elif path.endswith("opensearch.xml"):
        for target in re.findall(r'template="([^"]+)"|>(https?:[^<]+)<', body.decode()):
            yield "opensearch", unescape("".join(target)).replace("{searchTerms}", "zhao")
    elif path.endswith("openapi.json"):
        for server in json.loads(body)["servers"]:
            yield "openapi", urljoin(url, server["url"])
    elif path.endswith("queries.json"):
        for query in json.loads(body)["queries"]:
            yield "queries.json", urljoin(url, query["href"])


def crawl(port: int, starts: tuple[str, ...]) -> tuple[Counter[str], list[str]]:
    """How many addresses of each origin were looked at, and what is wrong with any."""
    root = f"http://127.0.0.1:{port}"
    waiting = deque((PREFIX + start, "start") for start in starts)
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    found: Counter[str] = Counter()
    faults: list[str] = []
    while waiting:
        path, origin = waiting.popleft()
        kind = kind_of(path)
        if path in seen or kinds[kind] >= most_of(kind):
            continue
        seen.add(path)
        kinds[kind] += 1
        status, headers, body = fetch(port, path, BROWSER, CLIENT)
        # A form asks for more than its bare address, and robots.txt names beginnings of paths.
        if status not in (200, 303, 308) and origin not in ("form action", "robots"):
            faults.append(f"{status} {path} ({origin})")
        for name, target in addresses(root + path, headers, body):
            parts = urlsplit(target)
            found[name] += 1
            if f"{parts.scheme}://{parts.netloc}" != root or not parts.path.startswith(PREFIX):
                faults.append(f"{target} from {path} ({name})")
            else:
                waiting.append((parts.path + (f"?{parts.query}" if parts.query else ""), name))
    return found, faults


PAGES = (
    "", "name/andrew_zhao", "name/pat_many.html", "search?q=zhao", "queries", "sparql", "ontology", "shapes",
    "dumps", "paper/hostile/long.html", "statistics", "queries/name/papers", "releases/x", "nothing/at/all",
)  # fmt: skip
MACHINES = ("sitemap.xml", "robots.txt", "opensearch.xml", "openapi.json", "queries.json")
MISSING = {f"404 {PREFIX}{path} (start)" for path in ("releases/x", "nothing/at/all")}


@pytest.mark.parametrize("way", ["strips", "passes on"])
def test_everything_stays_inside_the_prefix(ports: dict[str, int], way: str) -> None:
    found, faults = crawl(ports[way], PAGES + MACHINES)
    assert set(faults) == MISSING
    assert {"a href", "link href", "form action", "link field", "location", "sitemap", "robots", "opensearch",
            "openapi", "queries.json"} <= set(found)  # fmt: skip
    assert found.total() > 3000


def test_pages_need_not_know_the_prefix(ports: dict[str, int]) -> None:
    """Relative links do; only what must hold absolute addresses (a sitemap, say) needs the setting."""
    found, faults = crawl(ports["silent"], PAGES)
    assert {fault for fault in faults if "opensearch" not in fault} == MISSING
    assert found.total() > 3000


@pytest.mark.parametrize("way", ["strips", "passes on"])
@pytest.mark.parametrize("path", ["name%2Fandrew_zhao.html", "paper/hostile%2Flong.html", "//name/andrew_zhao.html"])
def test_odd_slashes_do_not_lead_outside(ports: dict[str, int], way: str, path: str) -> None:
    root = f"http://127.0.0.1:{ports[way]}"
    _, headers, body = fetch(ports[way], PREFIX + path, BROWSER, CLIENT)
    found = [target for _, target in addresses(root + PREFIX + path, headers, body)]
    assert found
    assert all(target.startswith(root + PREFIX) for target in found)


def test_canonical_addresses_are_those_of_the_release(ports: dict[str, int]) -> None:
    _, headers, body = fetch(ports["strips"], f"{PREFIX}name/andrew_zhao.html", BROWSER, CLIENT)
    iri = f"{BASE}name/andrew_zhao"
    assert f'<{iri}>; rel="cite-as"' in headers["link"]
    assert [link["href"] for link in Page(body.decode()).all("link") if link.get("rel") == "canonical"] == [iri]


@pytest.mark.parametrize("path", ["sitemap.xml", "opensearch.xml", "robots.txt", "", "name/andrew_zhao", "dumps"])
@pytest.mark.parametrize("way", ["strips", "passes on", "direct"])
def test_forged_fields_change_nothing(ports: dict[str, int], informed: Server, way: str, path: str) -> None:
    port = ports.get(way, informed.port)
    status, headers, body = fetch(port, PREFIX + path, BROWSER, CLIENT)
    forged = fetch(port, PREFIX + path, {**BROWSER, **SPOOFED}, CLIENT)
    changing = {"date", "server-timing"}
    assert forged[0] == status
    assert {n: v for n, v in forged[1].items() if n not in changing} == {
        n: v for n, v in headers.items() if n not in changing
    }
    assert forged[2] == body
    assert b"evil" not in body


def test_a_query_asked_by_a_form_is_answered(ports: dict[str, int]) -> None:
    for way in ("strips", "passes on"):
        path = f"{PREFIX}sparql?query=ASK%7B%7D&format=json"
        status, _, body = fetch(ports[way], path, BROWSER, CLIENT)
        assert (status, json.loads(body)["boolean"]) == (200, True)
