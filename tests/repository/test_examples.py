"""The examples work as they stand: the scripts, and the distribution, by pip in an environment of its own too."""

import json
import os
import runpy
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
QRL = EXAMPLES / "vgbench-qrl"
RUN = "run --env wall --objective qrl --distance mrn --scale smoke --format json"


def environ(tmp_path, **more):
    return os.environ | {"VGBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"} | more


def call(*command, cwd, env):
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_run_from_python(tmp_path):
    out = call(sys.executable, EXAMPLES / "run_from_python.py", tmp_path / "runs", cwd=tmp_path, env=environ(tmp_path))
    assert out.count("of 4 solved") == 2
    assert "Did you mean 'tau'" in out
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["tau-0.6", "tau-0.8"]


def test_plan_with_own_model_swings_the_pendulums_up():
    angles = runpy.run_path(str(EXAMPLES / "plan_with_own_model.py"))["swing_up"]()
    assert (angles[0].abs() > 2.5).all()
    assert (angles[-10:].abs() < 0.35).all()


@pytest.fixture
def announced(tmp_path):
    """PYTHONPATH with vgbench-qrl, announced as an installer would: its own code, its own entry points, no pip."""
    project = tomllib.loads((QRL / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    info = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["entry-points"].items()
    lines = [line for group, points in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return os.pathsep.join([str(tmp_path / "site"), str(QRL / "src")])


def test_the_distribution_trains_and_plans(announced, vgbench_process, tmp_path):
    done = vgbench_process(*RUN.split(), VGBENCH_CACHE=str(tmp_path / "cache"), PYTHONPATH=announced)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["objectives"], result["distance"], result["n"]) == ({"qrl": 1.0}, "mrn", 4)
    folder = tmp_path / "process" / result["run_dir"]
    run = json.loads((folder / "run.json").read_text())
    dists = {plugin["name"]: plugin["dist"] for plugin in run["plugins"]}
    assert dists["qrl"] == dists["mrn"] == "vgbench-qrl" and dists["mppi"] == "vgbench"
    lines = (folder / "train.jsonl").read_text().splitlines()
    duals = [line["qrl.dual"] for line in map(json.loads, lines) if line["stage"] == "encoder"]
    assert abs(duals[-1] - 0.01) > 1e-5  # the multiplier is trained along


def test_the_distributions_own_tests_pass(announced, tmp_path):
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", QRL / "tests")
    call(sys.executable, *arguments, cwd=tmp_path, env=environ(tmp_path, PYTHONPATH=announced))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_distribution_installed_into_a_clean_environment(tmp_path):
    """As a stranger would: a fresh environment, pip, another folder, nothing of this checkout on the path."""
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    env = {name: value for name, value in environ(tmp_path).items() if not name.startswith("PYTHON")}
    pip = (binaries / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt")
    subprocess.run([*map(str, pip), str(ROOT), f"{QRL}[test]"], cwd=tmp_path, env=env, check=True, timeout=1800)
    vgbench = binaries / "vgbench"

    listed = json.loads(call(vgbench, "list", "--format", "json", cwd=tmp_path, env=env))
    ours = {(row["kind"], row["name"], row["version"]) for row in listed if row["dist"] == "vgbench-qrl"}
    assert ours == {("objective", "qrl", "0.1.0"), ("distance", "mrn", "0.1.0")}
    call(vgbench, "check", "objective", "qrl", cwd=tmp_path, env=env)
    call(vgbench, "check", "distance", "mrn", cwd=tmp_path, env=env)
    result = json.loads(call(vgbench, *RUN.split(), cwd=tmp_path, env=env))
    assert (result["objectives"], result["distance"], result["n"]) == ({"qrl": 1.0}, "mrn", 4)
    call(binaries / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", QRL / "tests", cwd=tmp_path, env=env)
