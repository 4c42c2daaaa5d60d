"""The tutorial notebook runs from its first cell to its last; common questions are answered with figures of records."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
FAQ = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")


def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_the_tutorial_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    shown = []
    # What IPython has for cells to show things with.
    names = {"__name__": "__main__", "display": lambda value, **options: shown.append(value)}
    for cell in cells():
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    out = capsys.readouterr().out
    assert out.count(" of 4") >= 4 and "Did you mean 'tau'" in out and "wall_big success" in out
    picture, drawing = shown
    assert picture.width > 200 and "<svg" in drawing["image/svg+xml"]


def test_the_tutorial_is_kept_without_output_and_installs_in_one_cell():
    assert all(not cell["outputs"] for cell in cells() if cell["cell_type"] == "code")
    assert sum("pip" in "".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code") == 1


def rows(marker):
    part = FAQ.split(f"<!-- {marker} -->")[1].split("<!-- end -->")[0].strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (part[0], *part[2:])]


def test_what_the_ladder_says_of_literal_is_in_its_records():
    (_, *names), *found = rows("literal")
    assert len(found) == 2
    for run, *shares in found:
        protocol, recipe = re.fullmatch(r"(\w+), `(\w+)`", run).groups()
        place = ROOT / "results/causes/literal" / protocol / recipe
        ladder = {row["name"]: row for row in json.loads((place / "ladder.json").read_text())["rows"]}
        assert shares == [f"{ladder[name]['successes']} of {ladder[name]['n']}" for name in names]
        error = json.loads((place / "diagnosis.json").read_text())["blocks"]["prediction"]["latent"][0]
        assert re.search(rf"\b{error:.0f}\b[^.]* times the error", FAQ)


@pytest.mark.parametrize("protocol", ["wall_small", "wall_big", "maze"])
def test_the_budgets_are_those_of_the_protocols(protocol):
    from vgbench.config.resolve import RunRequest, resolve

    values = {
        scale: resolve(RunRequest(protocol=protocol, recipe="vf", scale=scale, device="cpu")).values
        for scale in ("quick", "paper")
    }
    mppi = [f"{of['mppi.samples'].value} x {of['mppi.horizon'].value}" for of in values.values()]
    line = next(line for line in FAQ.splitlines() if line.startswith("| MPPI") and protocol in line)
    assert [cell.strip() for cell in line.strip("|").split("|")][1:] == mppi
    tasks = next(line for line in FAQ.splitlines() if line.startswith("| tasks on"))
    for cell, of in zip(tasks.strip("| ").split("|")[1:], values.values(), strict=True):
        assert cell.split(",")[protocol == "maze"].strip() == str(of["evaluation.tasks"].value)
