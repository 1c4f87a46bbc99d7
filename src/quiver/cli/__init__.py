"""The command `quiver`: a thin layer over the library; nothing here that cannot be called from Python."""

from quiver.cli.main import main

__all__ = ["main"]
