"""The examples work as they stand."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_run_from_python(tmp_path):
    command = [sys.executable, EXAMPLES / "run_from_python.py", tmp_path / "runs"]
    environ = os.environ | {"VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("of 4 solved") == 2
    assert "Did you mean 'tau'" in done.stdout
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["tau-0.6", "tau-0.8"]


def test_plan_with_own_model_swings_the_pendulums_up():
    angles = runpy.run_path(str(EXAMPLES / "plan_with_own_model.py"))["swing_up"]()
    assert (angles[0].abs() > 2.5).all()
    assert (angles[-10:].abs() < 0.35).all()
