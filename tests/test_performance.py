"""Figures of speed in the documentation against their records."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.targets import Target, targets

ROOT = Path(__file__).parents[1]
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


def test_the_budgets_of_planners_are_those_of_their_sweeps():
    """`python -m benchmarks.page docs/planners.md`, and the pictures beside it."""
    docs = ROOT / "docs"
    text = (docs / "planners.md").read_text(encoding="utf-8")
    assert page.filled(text) == text
    names = re.findall(r"<!-- (planner_budget)/(\S+) -->", text)
    assert names
    for group, name in names:
        drawn = ROOT / "results" / group / name / "budget.png"
        assert (docs / "figures" / f"{group}_{name}.png").read_bytes() == drawn.read_bytes()


def test_a_target_that_was_missed_is_told():
    below, above = Target("speed", 2.0, 1.5, "x"), Target("seconds", 3.0, 2.5, "s", least=False)
    assert below.cells() == ["speed", "≥ 2.00 x", "1.50 x", "**no**"]
    assert above.cells() == ["seconds", "≤ 3.00 s", "2.50 s", "yes"]


def test_every_target_that_was_missed_is_explained():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    missed = [target.measure for target in targets(page.RECORDS) if not target.met]
    assert all(f"**{measure}**" in text for measure in missed), missed
