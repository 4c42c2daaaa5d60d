"""Meaning of what objectives log: declared, shown, and on a page of the documentation."""

import runpy
from pathlib import Path

import pytest

from vgbench.api import Loss, Objective
from vgbench.config.describe import describe
from vgbench.plugin.entry import HOME
from vgbench.plugin.logs import log_meanings
from vgbench.plugin.registry import Registry
from vgbench.testing import Session
from vgbench.testing.contracts.objective import evaluate

DOCS = Path(__file__).parents[2] / "docs"
OTHERS = {
    "contrastive": ["contrastive.form=infonce"],
    "vcreg": ["vcreg.axes=batch_time", "vcreg.cov_t=1"],
}
"""Values under which an objective logs something else."""


class Explained(Objective):
    """An objective."""

    def loss(self, batch, model, noise):
        """Value of the loss.

        Logs:
            first: what it is: in a line
                and one more
            near.second:  another
            `third`: quoted

        Returns:
            nothing: that counts
        """
        return Loss(batch.points.mean())


class Inheriting(Explained):
    """Has the loss of another."""


class Silent(Objective):
    """Says nothing."""

    def loss(self, batch, model, noise):
        return Loss(batch.points.mean())


def test_lines_of_the_section():
    expected = {"first": "what it is: in a line and one more", "near.second": "another", "third": "quoted"}
    assert log_meanings(Explained) == log_meanings(Inheriting) == expected
    assert log_meanings(Silent) == {}


@pytest.mark.parametrize("entry", [e for e in Registry().entries("objective") if e.dist == HOME], ids=str)
def test_built_ins_explain_what_they_log_and_nothing_else(entry):
    logged = set()
    for values in ([], OTHERS.get(entry.name, [])):
        subject = Session.find("objective", entry.name, values).subject
        logged |= set(evaluate(subject.make())[1].logs)
    assert set(log_meanings(subject.cls)) == logged


def test_show_prints_them(vgbench_cli):
    result = vgbench_cli("show", "objective", "prediction")
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert ["prediction.error_first", "mean squared error of the first predicted step, per feature"] in lines
    assert [row["name"] for row in describe("objective", "prediction")["logs"]] == [
        "prediction.error_first",
        "prediction.error_last",
    ]


def test_the_page_has_them(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "hooks")
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(DOCS / "hooks" / "metrics.py"))["page"]() == page
