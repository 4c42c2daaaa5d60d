"""Shared fixtures. `tmp_plugin` comes from vgbench itself (`vgbench.testing.pytest_plugin`)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


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
