"""`vgbench.run`: the command's results without the command, and an import that stays cheap."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import vgbench

SMOKE = {"env": "wall", "recipe": "vf", "scale": "smoke", "set": {"iql.tau": 0.8, "train.lr": 1e-5}}


def test_importing_vgbench_imports_nothing_but_vgbench():
    code = "import sys; old = set(sys.modules); import vgbench; dir(vgbench); print(*set(sys.modules) - old)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found = {name for name in out.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert found == {"vgbench", "vgbench.version"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        vgbench.rum  # noqa: B018
    assert {"run", "Result", "UsageError"} <= set(dir(vgbench))


def test_a_run_from_python_is_that_of_the_command(tmp_path, monkeypatch, vgbench_process):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    result = vgbench.run(**SMOKE, seed=0, out=tmp_path / "here")
    assert isinstance(result, vgbench.Result)
    assert result.tasks == 4 and result.success_rate == result.successes / 4
    assert result.interval[0] <= result.success_rate <= result.interval[1]
    assert result.folder == tmp_path / "here"
    assert [row["task"] for row in result.rows] == [0, 1, 2, 3]
    assert sum(row["success"] for row in result.rows) == result.successes
    assert result.baseline == result.record["baseline"]["success_rate"]
    assert json.loads((result.folder / "run.json").read_text())["argv"][0].startswith("vgbench.run(env='wall'")

    again = vgbench.run(**SMOKE, out=tmp_path / "here")  # seed 0 is the default: the same run, complete
    assert again == result

    flags = "run --env wall --recipe vf --scale smoke --set iql.tau=0.8 --set train.lr=1e-5 --format json"
    done = vgbench_process(*flags.split(), "--out", str(tmp_path / "there"), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["key"] == result.record["key"]
    config = [(tmp_path / where / "config.yaml").read_text() for where in ("here", "there")]
    assert config[0] == config[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"env": "wal"}, "--env wal: no environment named 'wal'. Did you mean 'wall'"),
        ({"env": "wall", "recipe": "vf", "set": {"iql.tua": 1}}, "Did you mean"),
        ({"env": "wall", "recipe": "vf", "set": {"iql.tau": 2}}, "iql.tau"),
        ({"env": "wall", "recipe": "vf", "set": {"iql.tau": {1}}}, "expected a plain value, not set"),
        ({"env": "wall", "recipe": "vf", "seed": "one"}, "a seed must be a whole number"),
        ({"env": "wall", "objective": "iqll", "distance": "iqe"}, "--objective iqll"),
    ],
)
def test_mistakes_are_usage_errors(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vgbench.UsageError) as caught:
        vgbench.run(**given)
    assert message in str(caught.value)
    assert not list(Path(tmp_path).iterdir())


def test_no_module_hides_a_public_name():
    """Once imported, a module `vgbench/report.py` would stand in the place of a function `vgbench.report`."""
    modules = {path.stem for path in Path(vgbench.__file__).parent.iterdir()}
    assert not modules & set(vgbench.__all__) - {"__version__"}
