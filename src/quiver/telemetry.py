"""Logs: one line an event, to standard error, with the request's id where there is one."""

from __future__ import annotations

import contextvars
import logging
import secrets
import sys

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


def new_request_id() -> str:
    """Set, and return, a fresh id for what this thread does next (12 hex digits)."""
    fresh = secrets.token_hex(6)
    request_id.set(fresh)
    return fresh


class _WithRequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def start_logging(level: str) -> None:
    """Send the package's log to standard error from *level* up; a second call changes the level only."""
    logger = logging.getLogger("quiver")
    logger.setLevel(level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.addFilter(_WithRequestId())
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(request_id)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


def logger(name: str) -> logging.Logger:
    """The logger of one module."""
    return logging.getLogger(name)
