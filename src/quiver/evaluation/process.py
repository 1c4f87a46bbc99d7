"""Starting and ending the broker, from the process that owns the service."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import msgspec

from quiver.config import Settings
from quiver.engines.target import Target
from quiver.errors import WorkerLost
from quiver.evaluation.client import Evaluator
from quiver.evaluation.messages import BrokerSettings, Limits, max_request_bytes

# To import what it needs took over 20 s where a build held both cores.
_START_S: Final = 120.0
_STOP_S: Final = 5.0


class BrokerHandle:
    """A broker that runs: where its socket is, and how to end it. Use it in a `with`, or call `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        # Only for the user of this process (0700): who can connect can query.
        self.directory = Path(tempfile.mkdtemp(prefix="quiver-"))
        self.socket_path = self.directory / "broker"
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def restart_if_lost(self) -> bool:
        """Whether the broker had ended by itself and was started again, at the same socket."""
        with self._lock:
            if self.is_running():
                return False
            self._release_pipes()
            self.directory.mkdir(mode=0o700, exist_ok=True)
            self._process = self._start()
            return True

    def evaluator(self) -> Evaluator:
        """A client of this broker for the calling process."""
        return connect(self.socket_path, self._settings)

    def stop(self) -> None:
        """End the broker and its workers; nothing of them is left when this returns."""
        with self._lock:
            if self._process.stdin is not None and not self._process.stdin.closed:
                self._process.stdin.close()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._release_pipes()
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> BrokerHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "quiver.evaluation.broker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        watchdog = threading.Timer(_START_S, give_up)
        watchdog.start()
        try:
            told = _broker_settings(self._settings, self.directory, self.socket_path)
            process.stdin.write(msgspec.json.encode(told) + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = b""
        finally:
            watchdog.cancel()
        if answer.strip() != b"ready":
            process.kill()
            process.communicate()
            shutil.rmtree(self.directory, ignore_errors=True)
            hint = f"It was not ready within {_START_S:g} s: is the machine busy?" if late.is_set() else "See its log."
            raise WorkerLost("The query service did not start.", hint=hint)
        return process

    def _release_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def start_broker(settings: Settings) -> BrokerHandle:
    """A running broker, with its workers warming.

    Raises:
        WorkerLost: it did not start.
    """
    return BrokerHandle(settings)


def connect(socket_path: str | Path, settings: Settings) -> Evaluator:
    """A client of the broker at *socket_path*, for one process."""
    return Evaluator(
        socket_path,
        timeout_s=settings.number("query_timeout_s"),
        max_length=settings.integer("query_max_length"),
    )


def _broker_settings(settings: Settings, directory: Path, socket_path: Path) -> BrokerSettings:
    target = Target.of(settings)
    return BrokerSettings(
        socket_path=str(socket_path),
        workers=max(settings.integer("query_workers"), 1),
        queue=settings.integer("query_queue"),
        timeout_s=settings.number("query_timeout_s"),
        max_request_bytes=max_request_bytes(settings.integer("query_max_length")),
        log_level=settings.text("log_level").upper(),
        limits=Limits(
            directory=str(directory),
            memory_bytes=settings.integer("query_memory_bytes"),
            max_bytes=settings.integer("query_max_bytes"),
            max_rows=settings.integer("query_max_rows"),
            shared_bytes=0 if target else settings.integer("query_shared_bytes"),
            max_hits=settings.integer("search_limit_max"),
            allowed=tuple(settings.text("service_allow").split()),
            target=target,
        ),
    )
