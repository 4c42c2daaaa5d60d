"""`vgbench report` on records that say which tasks they faced."""

import json
import shutil
from pathlib import Path

import pytest

from vgbench.config.resolve import RunRequest, resolve

SOURCE = Path(__file__).parents[2] / "results" / "quick" / "maze-vf_quasi-s0"


@pytest.fixture
def record(tmp_path):
    """A copy of a committed record as a current run of the suite, with a hash of its tasks or, as older ones, none."""

    def make(recipe, seed, tasks=None):
        path = tmp_path / "runs" / f"{recipe}-{seed}"
        shutil.copytree(SOURCE, path)
        spec = resolve(RunRequest(protocol="maze", recipe=recipe, scale="quick", seed=seed, device="cpu"))
        run, result = (json.loads((path / f"{name}.json").read_text()) for name in ("run", "result"))
        run |= {"key": spec.key(), "recipe": recipe, "protocol": "maze", "identity": spec.identity()}
        result |= {"key": spec.key()} | ({"tasks": {"sha256": tasks, "n": 80, "seed": 0}} if tasks else {})
        (path / "run.json").write_text(json.dumps(run))
        (path / "result.json").write_text(json.dumps(result))

    return make


def test_records_that_faced_other_tasks_are_told(record, vgbench_cli):
    record("vf", 0, "a" * 64)
    record("vf_pred", 0, "b" * 64)
    record("vf_quasi", 0, "a" * 64)
    record("vf_quasi", 1)
    (about,) = vgbench_cli("report", "runs", "--format", "json").json()["tasks"]
    assert (about["protocol"], about["task_seed"], about["agree"]) == ("maze", 0, False)
    assert about["hashes"] == {"a" * 64: ["runs/vf-0", "runs/vf_quasi-0"], "b" * 64: ["runs/vf_pred-0"]}
    for layout in ("table", "md"):
        shown = vgbench_cli("report", "runs", "--format", layout).stdout
        assert (
            "Warning: records on maze with task seed 0 were not evaluated on the same tasks: "
            "vf s0, vf_quasi s0 (aaaaaaaa) / vf_pred s0 (bbbbbbbb)."
        ) in shown


def test_records_that_agree_or_are_older_are_taken_as_they_are(record, vgbench_cli):
    record("vf", 0, "a" * 64)
    record("vf_quasi", 0)
    content = vgbench_cli("report", "runs", "--format", "json").json()
    assert [about["agree"] for about in content["tasks"]] == [True]
    assert "Warning" not in vgbench_cli("report", "runs").stdout
    assert sum(cell["state"] == "done" for cell in content["cells"]) == 2
