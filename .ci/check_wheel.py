"""Run the installed wheel as a newcomer does: `quiver demo`, then a page, a query, a dump and a search."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(address: str, accept: str = "*/*") -> tuple[str, bytes]:
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"quiver demo ended with {process.returncode}")
        try:
            fetch(address)
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.3)
    raise SystemExit("quiver demo did not answer within two minutes")


def check(what: str, holds: bool) -> None:
    print(("ok      " if holds else "FAILED  ") + what, flush=True)
    if not holds:
        raise SystemExit(1)


def main(quiver: str) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}/"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QUIVER"))}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [quiver, "demo", "--port", str(port)], cwd=folder, env=environment, start_new_session=True
        )
        try:
            wait_for(base + "health", process)
            kind, page = fetch(base + "name/andrew_zhao", "text/html")
            check(
                "the name page is HTML and says what it is",
                kind.startswith("text/html") and b"Author name cluster" in page,
            )
            _, style = fetch(base + "static/quiver.css")
            check("the style sheet is in the wheel", len(style) > 1000)
            kind, turtle = fetch(base + "name/andrew_zhao", "text/turtle")
            check("the name is Turtle too", kind.startswith("text/turtle") and b"NotAnIdentity" in turtle)
            query = "SELECT (COUNT(*) AS ?n) { ?p a <https://w3id.org/quiver/ontology#Paper> }"
            _, answer = fetch(base + "sparql?" + urllib.parse.urlencode({"query": query}))
            count = int(json.loads(answer)["results"]["bindings"][0]["n"]["value"])
            check(f"SPARQL counts {count} papers", count > 400)
            _, form = fetch(base + "sparql", "text/html")
            script = re.search(rb'src="\./(static/yasgui/yasgui\.min\.js[^"]*)"', form)
            check("the SPARQL page refers to the editor", script is not None and b"static/editor/main.js" in form)
            assert script is not None
            _, editor = fetch(base + script[1].decode())
            check(f"the editor is in the wheel ({len(editor):,} bytes)", len(editor) > 500_000)
            _, licences = fetch(base + "static/yasgui/LICENSES.txt")
            check("and so are its licences", b"codemirror" in licences)
            _, known = fetch(base + "editor.json")
            check("the editor knows the terms in use", json.loads(known)["classes"][0]["count"] > 100)
            _, found = fetch(base + "search?q=andrew+zhao")
            check("search finds the name", b"name/andrew_zhao" in found)
            _, queries = fetch(base + "queries")
            check("the catalogue is in the wheel", b"name/papers" in queries)
            _, ontology = fetch(base + "ontology", "text/turtle")
            check("the ontology is in the wheel", b"NameCluster" in ontology)
            _, dumps = fetch(base + "dumps/")
            check("dumps are offered", b".nq.gz" in dumps)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                check("Ctrl-C ends the demo", False)
    check("Ctrl-C ends the demo", True)


if __name__ == "__main__":
    main(sys.argv[1])
