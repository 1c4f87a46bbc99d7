"""`python -m quiver.cli` is `quiver`."""

from quiver.cli.main import main

main(prog_name="quiver")
