"""What proxies forward: believed from the trusted, by as many hops as are trusted; nothing else changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from quiver.config import Settings
from quiver.errors import InvalidSetting
from quiver.web import create_app
from quiver.web.forwarding import FIELDS, Arrival, Forwarding, client_key, parse_address, parse_forwarded, path_below
from quiver.web.proxied import Proxied
from tests.browsing import read

PROXY, OUTER, CLIENT, SPOOF = "10.0.0.1", "10.0.0.2", "192.0.2.7", "6.6.6.6"
TRUSTED = "10.0.0.0/24 fd00::/8"


def arrive(fields: Mapping[str, str], peer: str = PROXY, trusted: str = TRUSTED, prefix: str = "") -> Arrival:
    forwarding = Forwarding(trusted, " ".join(FIELDS), prefix)
    return forwarding.arrival(peer, "http", "inside:8000", lambda name: fields.get(name, ""))


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (CLIENT, CLIENT),
        (f"{SPOOF}, {CLIENT}", CLIENT),
        (f"{SPOOF}, {CLIENT}, {OUTER}", CLIENT),
        (f"{SPOOF},{CLIENT},{OUTER},fd00::9", CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7", CLIENT),
        (f"{CLIENT}, ::ffff:10.0.0.2", CLIENT),
        # All of them proxies: the one farthest away is as near to the client as is known.
        (f"10.0.0.9, {OUTER}", "10.0.0.9"),
        # What is no address ends the walk at the hop that said it.
        (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, unknown, {OUTER}", OUTER),
        (f"{CLIENT},", PROXY),
        ("", PROXY),
        ("192.0.2.7.8", PROXY),
        ("192.0.2.07", PROXY),
        ("١٩٢.0.2.7", PROXY),
        (f"{CLIENT} {SPOOF}", PROXY),
        ("'; DROP", PROXY),
        (", ".join([SPOOF] * 5000 + [CLIENT]), CLIENT),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_trusted(chain: str, client: str) -> None:
    assert arrive({"x-forwarded-for": chain}).address == client
    assert arrive({"x-forwarded-for": chain}, peer=f"{PROXY}:555").address == client
    assert arrive({"x-forwarded-for": chain}, peer=CLIENT).address == CLIENT


@pytest.mark.parametrize(
    ("fields", "scheme", "host", "prefix"),
    [
        ({"x-forwarded-proto": "https"}, "https", "inside:8000", ""),
        ({"x-forwarded-proto": "HTTPS"}, "https", "inside:8000", ""),
        ({"x-forwarded-proto": "ftp"}, "http", "inside:8000", ""),
        ({"x-forwarded-proto": "javascript:alert(1)"}, "http", "inside:8000", ""),
        ({"x-forwarded-host": "kg.example.org"}, "http", "kg.example.org", ""),
        ({"x-forwarded-host": "[2001:db8::1]:8443"}, "http", "[2001:db8::1]:8443", ""),
        ({"x-forwarded-host": "evil.example/path"}, "http", "inside:8000", ""),
        ({"x-forwarded-host": 'e"><script>'}, "http", "inside:8000", ""),
        ({"x-forwarded-host": "e.org:99999"}, "http", "inside:8000", ""),
        ({"x-forwarded-host": "user@e.org"}, "http", "inside:8000", ""),
        ({"x-forwarded-port": "8443"}, "http", "inside:8443", ""),
        ({"x-forwarded-port": "443", "x-forwarded-proto": "https"}, "https", "inside", ""),
        ({"x-forwarded-port": "0"}, "http", "inside:8000", ""),
        ({"x-forwarded-port": "9" * 5000}, "http", "inside:8000", ""),
        ({"x-forwarded-port": "²"}, "http", "inside:8000", ""),
        ({"x-forwarded-prefix": "/kg/"}, "http", "inside:8000", "/kg"),
        ({"x-forwarded-prefix": "/"}, "http", "inside:8000", ""),
        ({"x-forwarded-prefix": "//evil.example"}, "http", "inside:8000", ""),
        ({"x-forwarded-prefix": "/a/../b"}, "http", "inside:8000", ""),
        ({"x-forwarded-prefix": "/a\\b"}, "http", "inside:8000", ""),
        ({"x-forwarded-prefix": "kg"}, "http", "inside:8000", ""),
        ({"forwarded": f'for={CLIENT};proto=https;host="kg.org:8443"'}, "https", "kg.org:8443", ""),
        ({"forwarded": f"for={CLIENT};proto=https", "x-forwarded-proto": "http"}, "https", "inside:8000", ""),
        ({"forwarded": f"for={CLIENT};host=a;host=b"}, "http", "inside:8000", ""),
    ],
)
def test_scheme_host_and_prefix_are_those_that_the_client_knows(
    fields: Mapping[str, str], scheme: str, host: str, prefix: str
) -> None:
    found = arrive(fields)
    assert (found.scheme, found.host, found.prefix) == (scheme, host, prefix)
    untrusted = arrive(fields, peer=SPOOF)
    assert untrusted == Arrival(SPOOF, "http", "inside:8000", "")


def test_of_several_values_that_of_the_hop_next_to_the_client_counts() -> None:
    chain = f"{SPOOF}, {CLIENT}, {OUTER}"
    found = arrive(
        {
            "x-forwarded-for": chain,
            "x-forwarded-proto": "gopher, https, http",
            "x-forwarded-host": "evil.example, kg.org, middle",
            "x-forwarded-prefix": "/evil, /dept, /quiver",
        }
    )
    assert found == Arrival(CLIENT, "https", "kg.org", "/dept/quiver")
    # A proxy that replaces the whole field leaves one value.
    assert arrive({"x-forwarded-for": chain, "x-forwarded-proto": "https"}).scheme == "https"


@pytest.mark.parametrize(
    ("text", "client"),
    [
        (f"for={CLIENT}", CLIENT),
        (f'For="{CLIENT}:4711" ; by=_proxy', CLIENT),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        (f"for={SPOOF}, for={CLIENT};proto=https , for={OUTER}", CLIENT),
        (f"for={CLIENT}, for=_hidden", PROXY),
        (f"for={CLIENT}, for=unknown, for={OUTER}", OUTER),
        # An opened quotation cannot swallow what the proxy appends: then nothing counts.
        (f'for={SPOOF}, for=", for="{CLIENT}"', PROXY),
        (f'for="{SPOOF}, for={CLIENT}', PROXY),
        (f"for={CLIENT};", PROXY),
        ("for", PROXY),
        (f"{CLIENT}", PROXY),
    ],
)
def test_the_standard_field_says_the_same(text: str, client: str) -> None:
    assert arrive({"forwarded": text}).address == client
    assert arrive({"forwarded": text}, peer=SPOOF).address == SPOOF


def test_only_the_fields_that_proxies_set_count() -> None:
    forwarding = Forwarding(TRUSTED, "X-Forwarded-For")
    fields = dict.fromkeys(FIELDS, "evil.example") | {"forwarded": f"for={SPOOF}", "x-forwarded-for": CLIENT}
    assert forwarding.arrival(PROXY, "http", "kg.org", lambda name: fields.get(name, "")) == Arrival(
        CLIENT, "http", "kg.org"
    )


def test_a_unix_socket_has_its_own_word() -> None:
    fields = {"x-forwarded-for": CLIENT}
    assert arrive(fields, peer="", trusted="unix").address == CLIENT
    assert arrive(fields, peer="", trusted="10.0.0.1").address == ""
    assert arrive(fields, peer=PROXY, trusted="unix").address == PROXY


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("trusted_proxies", "10.0.0"),
        ("trusted_proxies", "proxy.example.org"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("proxy_fields", "x-real-ip"),
        ("path_prefix", "/a b"),
        ("path_prefix", "/a/../b"),
        ("path_prefix", "https://e.org/a"),
        ("path_prefix", "/a//b"),
        ("path_prefix", "/name"),
        ("path_prefix", "/dumps/"),
        ("path_prefix", "/queries"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(tmp_path: Path, setting: str, value: str) -> None:
    with pytest.raises(InvalidSetting):
        create_app(tmp_path, Settings(**{setting: value}))


def test_an_ipv6_client_is_its_network() -> None:
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::") == "2001:db8:1:2::/64"
    assert client_key("2001:db8:1:3::1") != client_key("2001:db8:1:2::1")
    assert client_key(CLIENT) == CLIENT
    assert client_key("") == ""
    assert arrive({"x-forwarded-for": "[2001:db8:1:2::1]:80"}).client == "2001:db8:1:2::/64"


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=60)), st.sampled_from([SPOOF, "2001:db8::1", ""]))
def test_nothing_from_the_untrusted_changes_anything(fields: dict[str, str], peer: str) -> None:
    assert arrive(fields, peer) == Arrival(peer, "http", "inside:8000", "")
    assert arrive(fields, peer, trusted="", prefix="dept/kg") == Arrival(peer, "http", "inside:8000", "/dept/kg")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text("0123456789abcdef:.,;=\"\\[]/% '-", max_size=60)))
def test_whatever_the_trusted_say_gives_an_address_a_scheme_and_a_host(fields: dict[str, str]) -> None:
    found = arrive(fields)
    assert parse_address(found.address) == found.address != ""
    assert found.scheme in ("http", "https")
    assert found.host
    assert not set(found.host + found.prefix) & set(" \"'<>\\,;")
    assert found.prefix == "" or (found.prefix.startswith("/") and not found.prefix.endswith("/"))


@given(st.text(max_size=40), st.ip_addresses())
def test_a_client_cannot_hide_behind_what_it_sends_to_a_proxy_that_appends(sent: str, client: object) -> None:
    address = parse_address(str(client))
    forwarding = Forwarding("10.99.0.1")
    for name, own in (("x-forwarded-for", str(client)), ("forwarded", f'for="[{client}]"')):
        if name == "forwarded" and ":" not in str(client):
            continue
        text = f"{sent}, {own}"
        found = forwarding.arrival("10.99.0.1", "http", "h", lambda n, k=name, v=text: v if n == k else "")  # type: ignore[misc]
        assert found.address in (address, "10.99.0.1")
        assert name == "forwarded" or found.address == address


@given(st.text(max_size=60))
def test_any_text_as_the_standard_field_parses_or_does_not(text: str) -> None:
    for hop in parse_forwarded(text):
        assert hop.address == parse_address(hop.address)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/dept/quiver/name/x", "/name/x"),
        ("/name/x", "/name/x"),
        ("/dept/quiver", ""),
        ("/dept/quivering", "/dept/quivering"),
        ("/dept/other/name/x", "/dept/other/name/x"),
        ("//dept/quiver/x", "//dept/quiver/x"),
    ],
)
def test_the_prefix_is_taken_off_where_it_was_passed_on(path: str, below: str) -> None:
    assert path_below(path, "/dept/quiver") == below
    assert path_below(path, "") == path


# -- the application behind it


def test_the_application_sees_the_client_and_no_forwarding_field() -> None:
    app = Flask("tests.forwarding")

    @app.get("/seen")
    def seen() -> dict[str, object]:
        told = [name for name in request.headers.keys() if name.lower() in FIELDS]  # noqa: SIM118
        return {"client": request.remote_addr, "root": request.url_root, "path": request.path, "told": told}

    app.wsgi_app = Proxied(app.wsgi_app, Forwarding(PROXY, " ".join(FIELDS), "/kg"))  # type: ignore[method-assign]
    fields = {
        "X-Forwarded-For": f"{SPOOF}, {CLIENT}",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "e.org",
        "Forwarded": "for=_x",
    }
    client = app.test_client()
    for path in ("/seen", "/kg/seen"):
        trusted = client.get(path, headers=fields, environ_overrides={"REMOTE_ADDR": PROXY}).get_json()
        assert trusted["root"] == "https://e.org/kg/"
        assert (trusted["path"], trusted["told"]) == ("/seen", [])
        direct = client.get(path, headers=fields, environ_overrides={"REMOTE_ADDR": SPOOF}).get_json()
        assert direct == {"client": SPOOF, "root": "http://localhost/kg/", "path": "/seen", "told": []}


@pytest.fixture(scope="module")
def prefixed(web_library: Path) -> FlaskClient:
    return create_app(web_library, Settings(path_prefix="/dept/quiver", trusted_proxies=PROXY)).test_client()


def test_the_prefix_without_a_slash_leads_to_the_root(prefixed: FlaskClient) -> None:
    response = prefixed.get("/dept/quiver?a=%2F")
    assert (response.status_code, response.headers["Location"]) == (308, "/dept/quiver/?a=%2F")
    assert prefixed.head("/dept/quiver").data == b""
    assert prefixed.get("/dept/quiver/").status_code == 200


@pytest.mark.parametrize("path", ["/dept/quiver/dumps", "/dumps"])
def test_no_redirect_names_a_host(prefixed: FlaskClient, path: str) -> None:
    response = prefixed.get(path)
    assert (response.status_code, response.headers["Location"]) == (308, "/dept/quiver/dumps/")


def test_another_prefix_is_not_found(prefixed: FlaskClient) -> None:
    for path in ("/other/quiver/", "/dept/", "/dept/quiver/dept/quiver/", "/dept/quiverx/name/andrew_zhao.html"):
        assert prefixed.get(path).status_code == 404, path


def test_an_escaped_slash_does_not_lead_links_astray(prefixed: FlaskClient) -> None:
    page = read(prefixed.get("/dept/quiver/name%2Fandrew_zhao.html"))
    inside = [link for link in page.links if "://" not in link and not link.startswith(("#", "?"))]
    assert inside
    assert all(link.startswith("/dept/quiver/") for link in inside)


def test_tags_of_one_page_under_two_addresses_differ(web_library: Path) -> None:
    client = create_app(
        web_library, Settings(proxy_fields="x-forwarded-host", trusted_proxies="127.0.0.1")
    ).test_client()
    one = client.get("/sitemap.xml")
    other = client.get("/sitemap.xml", headers={"X-Forwarded-Host": "e.org", "If-None-Match": one.headers["ETag"]})
    assert other.status_code == 200
    assert "http://e.org/sitemap.xml?part=" in other.text
