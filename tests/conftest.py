"""Shared fixtures."""

import importlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

PLUGIN_GROUPS = {"environments", "objectives", "distances", "networks", "planners", "hooks"}


@pytest.fixture
def tmp_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make an installed distribution with plugins, by what an installer would write: a module and a .dist-info.

    `tmp_plugin(code, objectives={"mine": "Mine"}, dist="vgx-mine", version="0.1")` returns the folder, which is already
    on `sys.path`; give it to a subprocess as PYTHONPATH.
    """
    made: list[str] = []

    def make(
        code: str = "",
        dist: str = "vgx-mine",
        version: str = "0.1",
        raw: str | None = None,
        **plugins: Mapping[str, str],
    ) -> Path:
        assert set(plugins) <= PLUGIN_GROUPS, plugins
        module = dist.replace("-", "_")
        folder = tmp_path / f"site-{len(made)}"
        info = folder / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\nSummary: of {dist}\n")
        lines = []
        for group, names in plugins.items():
            lines += [f"[vgbench.{group}]", *(f"{name} = {module}:{attr}" for name, attr in names.items())]
        (info / "entry_points.txt").write_text(raw if raw is not None else "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        made.append(module)
        return folder

    yield make
    for module in made:
        sys.modules.pop(module, None)


@pytest.fixture
def vgbench_process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the `vgbench` command in its own process, in an empty folder."""
    folder = tmp_path / "process"
    folder.mkdir()

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from vgbench.cli import main; main()", *args]
        return subprocess.run(command, cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=600)

    return run


@pytest.fixture
def vgbench_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command line in this process, in an empty folder: exit_code, stdout, stderr and json()."""
    from typer.testing import CliRunner

    from vgbench.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*args: str | Path) -> Any:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        result.json = lambda: json.loads(result.stdout)  # type: ignore[attr-defined]
        return result

    return call
