"""The files to deploy with are true: the unit starts a server that needs no more than it has, nginx takes its file."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import quiver
from quiver.cli import main
from quiver.config import SETTINGS
from quiver.releases import build
from tests.sample import write_sample
from tests.serving import STOP_S, fetch, free_port, wait_until_healthy

DEPLOY = Path(quiver.__file__).parent / "deploy"
needs_nginx = pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="needs nginx")
FILES = sorted(path.name for path in DEPLOY.iterdir())


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


def exec_start() -> list[str]:
    found = re.search(r"^ExecStart=(.*)$", text("quiver.service"), re.MULTILINE)
    assert found
    return shlex.split(found[1])


def test_the_command_prints_each() -> None:
    listed = CliRunner().invoke(main, ["deploy"]).output.split()
    assert sorted(listed) == FILES
    for name in listed:
        assert CliRunner().invoke(main, ["deploy", name]).output == text(name)


@pytest.mark.parametrize("name", FILES)
def test_settings_and_commands_in_it_exist(name: str) -> None:
    variables = {setting.variable for setting in SETTINGS} | {"QUIVER_NAME"}
    assert set(re.findall(r"QUIVER_[A-Z_]+", text(name))) <= variables
    assert isinstance(main, click.Group)
    commands = re.findall(r"/quiver ([a-z]+) |`quiver ([a-z]+)|rm write ([a-z]+) |command: \[([a-z]+),", text(name))
    assert {word for found in commands for word in found if word} <= main.commands.keys()
    assert commands


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "quiver.service"
    unit.write_text(text("quiver.service").replace(exec_start()[0], sys.executable))
    ended = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("setpriv") is None,
    reason="needs root, unshare and setpriv",
)
def test_the_command_of_the_unit_runs_without_privileges_on_a_disk_that_is_read_only(tmp_path: Path) -> None:
    """What the unit's sandbox takes away, as far as it can be had without systemd as the first process."""
    library = tmp_path / "library"
    build(library, write_sample(tmp_path))
    port = free_port()
    given = [str(port) if word == "8000" else "/mnt" if word.startswith("/srv/") else word for word in exec_start()[1:]]

    def seen(path: str) -> str:
        """Where *path* is when /tmp is another one."""
        return f"/media{path.removeprefix('/tmp')}" if path.startswith("/tmp/") else path

    # /tmp is the service's own; everything else can only be read.
    script = (
        f"mount --make-rprivate / && mount --bind {shlex.quote(str(library))} /mnt && mount -o remount,bind,ro /mnt"
        " && mount --bind /tmp /media && mount -o remount,bind,ro /media"
        " && mount -o remount,bind,ro / && mount -t tmpfs tmpfs /tmp && cd /"
        " && ! touch /root/x 2>/dev/null && exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
        f" {shlex.quote(seen(sys.executable))} -m quiver.cli {shlex.join(given)}"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(seen, sys.path)), "TMPDIR": "/tmp"}
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until_healthy(port, process, log)
            for path in ("/", "/search?q=reinforcement", "/sparql?query=ASK%7B%3Fs%20%3Fp%20%3Fo%7D", "/dumps/"):
                assert fetch(port, path, {"Accept": "*/*"})[0] == 200, path
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def nginx(folder: Path, server: str) -> list[str]:
    """The command that starts nginx in the foreground with *server*, in *folder*."""
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; daemon off;\nevents {{}}\nhttp {{ access_log off; client_body_temp_path {folder}/a;"
        f" proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;"
        f" scgi_temp_path {folder}/e;\n{server}}}\n"
    )
    return ["/usr/sbin/nginx", "-q", "-e", str(folder / "error"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


@needs_nginx
def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    server = text("nginx.conf").replace("serve:8000", "127.0.0.1:8000").replace("listen 80;", f"listen {free_port()};")
    ended = subprocess.run([*nginx(tmp_path, server), "-t"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


class _Names(socketserver.BaseRequestHandler):
    """Answers every question with the address of the moment, or that there is no such name."""

    address = ""

    def handle(self) -> None:
        question, back = self.request
        end = question.index(b"\0", 12) + 5
        found = self.address and question[end - 4 : end - 2] == b"\0\1"
        # Pointer to the name asked for, type A, class IN, a second to live, 4 bytes.
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(self.address) if found else b""
        code = b"\x81\x80" if self.address else b"\x81\x83"
        counts = b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0"
        back.sendto(question[:2] + code + counts + question[12:end] + answer, self.client_address)


class _Place(BaseHTTPRequestHandler):
    """Says at which address it was asked."""

    def do_GET(self) -> None:
        body = str(self.connection.getsockname()[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@needs_nginx
@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
def test_the_front_starts_without_the_service_and_finds_it_where_it_comes_back(tmp_path: Path) -> None:
    port = free_port()
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Names))
        places = [stack.enter_context(ThreadingHTTPServer(("127.0.0.2", 0), _Place))]
        upstream = places[0].server_port
        places.append(stack.enter_context(ThreadingHTTPServer(("127.0.0.3", upstream), _Place)))
        for server in (names, *places):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
        configuration = (
            text("nginx.conf")
            .replace("resolver 127.0.0.11 valid=10s", f"resolver 127.0.0.1:{names.server_address[1]} valid=1s")
            .replace("serve:8000", f"serve:{upstream}")
            .replace("listen 80;", f"listen 127.0.0.1:{port};")
        )
        process = stack.enter_context(subprocess.Popen(nginx(tmp_path, configuration)))
        stack.callback(process.terminate)
        for address, expected in (("", b"502"), ("127.0.0.2", b"127.0.0.2"), ("127.0.0.3", b"127.0.0.3")):
            _Names.address = address
            deadline = time.monotonic() + 30
            found = b""
            while expected not in found:
                assert time.monotonic() < deadline, (found, (tmp_path / "error").read_text())
                time.sleep(0.05)
                with contextlib.suppress(OSError):
                    found = fetch(port, "/dumps/any")[2]
