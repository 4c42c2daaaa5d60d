"""Figures of speed in the documentation against their records."""

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.targets import Target, targets

ROOT = Path(__file__).parents[2]
SET = {
    ("vf", "iql.tau"): {"iql.gamma": "0.98"},
    ("vf_quasi", "iql.tau"): {"iql.gamma": "0.93"},
    ("vf", "iql.gamma"): {"iql.tau": "0.7"},
    ("vf_quasi", "iql.gamma"): {"iql.tau": "0.7"},
}
"""What the curves of figure 3 keep (paper, Figure 3)."""
RECORDS = sorted(page.RECORDS.glob("*.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_whole(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["size"] == ("quick" if path.stem == "quick" else "full")
    assert record["machine"]["torch"].split("+")[0] in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    cases = [case for benchmark in record["benchmarks"] for case in benchmark["cases"]]
    assert cases and all(check["passed"] for case in cases for check in case["checks"])
    absent = {name for case in cases for name in case["absent"]}
    assert not absent, "a peer was not there"


def test_the_page_is_what_its_records_give():
    """`python -m benchmarks.page docs/performance.md` makes its tables anew."""
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.filled(text) == text
    shown = set(re.findall(r"<!-- (\S+)\.json -->", text))
    assert shown | {"quick"} == {path.stem for path in RECORDS}


def test_the_audits_of_the_ranking_are_the_recorded_ones():
    """`python -m benchmarks.page docs/ranking.md` makes its table anew."""
    text = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8")
    assert "<!-- audit -->" in text and page.filled(text) == text


def assert_drawn(name, folder, kind):
    """A picture is of the rows that its sweep has; `python docs/hooks/sweep_figures.py` draws it anew."""
    rows = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))[kind]
    drawn = (ROOT / "docs" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn.endswith(f"<!-- rows {hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]} -->\n")


def test_the_budgets_of_planners_are_those_of_their_sweeps():
    """`python -m benchmarks.page docs/planners.md`, and the pictures beside it."""
    docs = ROOT / "docs"
    text = (docs / "planners.md").read_text(encoding="utf-8")
    assert page.filled(text) == text
    names = re.findall(r"<!-- (planner_budget)/(\S+) -->", text)
    assert names
    for group, name in names:
        assert_drawn(f"{group}_{name}", ROOT / "results" / group / name, "budget")


def test_figure_3_is_that_of_its_sweep():
    """`python -m benchmarks.page docs/figures.md`, and the picture beside it."""
    docs, folder = ROOT / "docs", ROOT / "results" / "paper_figure_3" / "quick"
    text = (docs / "figures.md").read_text(encoding="utf-8")
    assert "<!-- paper_figure_3/quick -->" in text and page.filled(text) == text
    assert_drawn("paper_figure_3", folder, "points")
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 22 and not any(int(row["missing"]) for row in rows)
    for row in rows:  # the table of the sweep against the records themselves
        values = dict(SET[row["recipe"], row["over"]], **{row["over"]: row["value"]})
        name = "-".join([row["recipe"], *(f"{key}={values[key]}" for key in sorted(values))])
        result = json.loads((folder / name / "s0" / "result.json").read_text(encoding="utf-8"))
        assert int(row["successes"]) == result["successes"] and int(row["n"]) == result["n"]


def test_a_target_that_was_missed_is_told():
    below, above = Target("speed", 2.0, 1.5, "x"), Target("seconds", 3.0, 2.5, "s", least=False)
    assert below.cells() == ["speed", "≥ 2.00 x", "1.50 x", "**no**"]
    assert above.cells() == ["seconds", "≤ 3.00 s", "2.50 s", "yes"]


def test_every_target_that_was_missed_is_explained():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    missed = [target.measure for target in targets(page.RECORDS) if not target.met]
    assert all(f"**{measure}**" in text for measure in missed), missed
