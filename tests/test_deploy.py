"""The files to deploy with are true: the unit starts a server that needs no more than it has, nginx takes its file."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
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


@pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="needs nginx")
def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    server = text("nginx.conf").replace("serve:8000", "127.0.0.1:8000").replace("listen 80;", f"listen {free_port()};")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ access_log off; client_body_temp_path {tmp_path}/a;"
        f" proxy_temp_path {tmp_path}/b; fastcgi_temp_path {tmp_path}/c; uwsgi_temp_path {tmp_path}/d;"
        f" scgi_temp_path {tmp_path}/e;\n{server}}}\n"
    )
    command = ["/usr/sbin/nginx", "-t", "-q", "-e", str(tmp_path / "error"), "-p", str(tmp_path), "-c"]
    ended = subprocess.run([*command, str(configuration)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
