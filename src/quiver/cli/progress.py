"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

_BAR_WIDTH: Final = 24
_REDRAW_S: Final = 0.1
_LINE_EVERY_S: Final = 10.0

# Step -> what is said of it, and the unit of its counts (bytes are shown as MB).
_STEPS: Final[dict[str, tuple[str, str]]] = {
    "read": ("Reading records", "bytes"),
    "map": ("Mapping to RDF", "shares"),
    "convert": ("Converting", "files"),
    "refile": ("Redacting records", "shares"),
    "look": ("Looking for what is left", "files"),
    "drop": ("Taking out the source", "shares"),
    "derive": ("Deriving clusters and venues", "shares"),
    "load": ("Loading the store", "bytes"),
    "change": ("Changing the store", "statements"),
    "index": ("Changing the text index", ""),
    "compact": ("Compacting the store", ""),
    "answer": ("Answering the costly queries", ""),
    "compare": ("Comparing with the release before", ""),
    "checksum": ("Taking checksums", "files"),
    "publish": ("Publishing", ""),
    "files": ("Checking files", "files"),
    "parts": ("Checking parts", "files"),
    "rewrite": ("Rewriting parts", "files"),
    "restore": ("Reading parts", "files"),
    "dump": ("Writing the dump", "bytes"),
    "send": ("Sending to the engine", "statements"),
    "count": ("Counting what is there", "counts"),
    "shapes": ("Checking shapes", "shapes"),
}


def _amount(count: float, unit: str) -> str:
    return f"{count / 1e6:,.1f} MB" if unit == "bytes" else f"{count:,.0f} {unit}".rstrip()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class ProgressDisplay:
    """Callable as a `Progress`: the step, what is done of it, its total (0 where unknown)."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._step = ""
        self._started = self._drawn = 0.0
        self._last = (0, 0)

    def __call__(self, step: str, done: int, total: int) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        if step != self._step:
            self.finish()
            self._step, self._started, self._drawn = step, now, now if not self._terminal else 0.0
        self._last = (done, total)
        interval = _REDRAW_S if self._terminal else _LINE_EVERY_S
        if now - self._drawn >= interval:
            self._drawn = now
            self._draw(now)

    def finish(self) -> None:
        """Say how the step that is under way ended."""
        if not self._step or self._quiet:
            return
        label, unit = _STEPS.get(self._step, (self._step, ""))
        elapsed = time.monotonic() - self._started
        amount = f" {_amount(self._last[1], unit)}," if self._last[1] > 1 else ""
        clear = "\r\x1b[K" if self._terminal else ""
        self._stream.write(f"{clear}{label}:{amount} {elapsed:.1f} s\n")
        self._stream.flush()
        self._step = ""

    def _draw(self, now: float) -> None:
        label, unit = _STEPS.get(self._step, (self._step, ""))
        done, total = self._last
        elapsed = max(now - self._started, 1e-6)
        text = f"{label}: {_amount(done, unit)}"
        if total:
            text += f" of {_amount(total, unit)}"
            if done:
                text += f", {_amount(done / elapsed, unit)}/s, {_clock(elapsed * (total - done) / done)} left"
        if not self._terminal:
            self._stream.write(text + "\n")
        else:
            filled = round(_BAR_WIDTH * done / total) if total else 0
            self._stream.write(f"\r\x1b[K[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {text}")
        self._stream.flush()
