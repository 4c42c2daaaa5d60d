"""Records of a suite for its report: copies of a committed one, laid out as `vgbench suite` does."""

import json
import shutil
from pathlib import Path

import pytest

from vgbench.config.resolve import RunRequest, resolve

SOURCE = Path(__file__).parents[2] / "results" / "quick" / "maze-vf_quasi-s0"  # 64 of 80, baseline 14 of 80


def changed(path, change):
    """Change a JSON file, or each line of a JSONL file."""
    text = path.read_text()
    contents = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]
    for content in contents:
        change(content)
    path.write_text("\n".join(map(json.dumps, contents)) + "\n")


@pytest.fixture
def edit():
    return changed


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs" / "paper_table_2-quick"


@pytest.fixture
def record(runs):
    """Lay a copy of the record down as the current run of a cell.

    `solved` says which tasks it solved (a set), `tasks` is the hash of its task manifest, which old records have not,
    `variant` its variant.
    """

    def make(protocol="maze", recipe="vf_quasi", seed=0, solved=None, folder=None, tasks=None, variant=None, **changes):
        path = runs / (folder or f"{protocol}/{recipe}/s{seed}")
        shutil.copytree(SOURCE, path)
        spec = resolve(
            RunRequest(protocol=protocol, recipe=recipe, scale="quick", seed=seed, device="cpu", variant=variant)
        )
        about = {"key": spec.key(), "recipe": recipe, "protocol": protocol, "identity": spec.identity()}
        about |= {"variant": variant} if variant else {}
        changed(path / "run.json", lambda run: run.update(about | changes))
        key = json.loads((path / "run.json").read_text())["key"]
        changed(path / "result.json", lambda result: result.update(key=key))
        if tasks is not None:
            changed(path / "result.json", lambda result: result.update(tasks={"sha256": tasks}))
        if solved is not None:
            changed(path / "episodes.jsonl", lambda row: row.update(success=row["task"] in solved))
            count = {"successes": len(solved), "success_rate": len(solved) / 80}
            changed(path / "result.json", lambda result: result.update(count))
        return path

    make.runs = runs
    return make


@pytest.fixture
def report(vgbench_cli):
    """Content of the JSON report, with its cells by recipe and protocol, and variant if there are several."""

    def call(*args):
        result = vgbench_cli("report", "--format", "json", *args)
        assert result.exit_code == 0, result.stderr
        content = result.json()
        several = len(content["variants"]) > 1
        keys = ("recipe", "protocol", *(["variant"] if several else []))
        content["cells"] = {tuple(cell[key] for key in keys): cell for cell in content["cells"]}
        content["stderr"] = result.stderr
        return content

    return call
