"""Every check has a broken plugin that fails it and no other; those that wait for it are skipped and say so."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from vgbench.plugin.entry import GROUPS
from vgbench.testing import Session, checks


def sibling(name):
    """A module beside this one: tests are not a package."""
    spec = importlib.util.spec_from_file_location(f"checks_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOURCES, BROKEN = sibling("good").SOURCES, sibling("broken").BROKEN
KIND = {"head": "network"}


@pytest.fixture
def session(tmp_plugin):
    """The checks of a plugin that is given by its source."""

    def make(source, code, name="mine"):
        kind = KIND.get(source, source)
        tmp_plugin(code, **{GROUPS[kind].removeprefix("vgbench."): {name: "Mine"}})
        return Session.find(kind, name)

    return make


@pytest.mark.parametrize("source", SOURCES)
def test_a_plugin_that_keeps_its_contract_passes(session, source):
    outcomes = session(source, SOURCES[source]).run()
    assert [(o.id, o.message) for o in outcomes if o.status in ("FAIL", "warn")] == []
    assert all(o.message for o in outcomes if o.status == "skip")


COUNT = Counter()


def names():
    for source, check, _ in BROKEN:
        COUNT[source, check] += 1
        yield f"{source}-{check}-{COUNT[source, check]}"


@pytest.mark.parametrize(("source", "check", "changes"), BROKEN, ids=list(names()))
def test_a_broken_plugin_fails_one_check_alone(session, source, check, changes):
    code = SOURCES[source]
    for old, new in changes:
        assert code.count(old) == 1, (old, code.count(old))
        code = code.replace(old, new)
    outcomes = session(source, code).run()
    bad = {o.id: f"{o.message} {o.where}" for o in outcomes if o.status in ("FAIL", "warn")}
    assert set(bad) == {check}, bad
    waiting = [o for o in outcomes if o.waits]
    assert all(f"waits for {check}, which failed" == o.message for o in waiting)


def test_a_name_that_is_no_lower_snake_is_a_warning(session):
    outcomes = session("planner", SOURCES["planner"], name="Mine").run()
    assert [(o.id, o.status) for o in outcomes if o.status in ("FAIL", "warn")] == [("named", "warn")]


def test_every_check_has_a_broken_plugin():
    from vgbench.testing.contracts import common

    seen = {(KIND.get(source, source), check) for source, check, _ in BROKEN} | {("planner", "named")}
    shared = {check.id for check in (*common.FIRST.found, *common.LAST.found)}
    own = {(kind, check.id) for kind in GROUPS for check in checks(kind) if check.id not in shared}
    assert own <= seen, own - seen
    assert shared <= {check for _, check in seen}


def test_an_objective_is_not_blamed_for_a_distance_that_is_broken(session, tmp_plugin):
    code = """
        from vgbench.api import Distance

        class Flat(Distance):
            def forward(self, x, y):
                return (x - y).square().sum(-1, keepdim=True)
    """
    tmp_plugin(code, dist="vgx-flat", distances={"flat": "Flat"})
    fussy = SOURCES["objective"].replace("value = (d ", "value = (d * torch.ones(d.shape[:2]) ")
    assert fussy != SOURCES["objective"]
    outcomes = session("objective", fussy).run()
    assert [(o.id, o.message) for o in outcomes if o.status == "FAIL"] == []


def test_the_distance_that_an_objective_fails_with_is_named(session):
    code = SOURCES["objective"].replace("        d = ", "        model.distance.weight\n        d = ")
    (bad,) = [o for o in session("objective", code).run() if o.status == "FAIL"]
    assert bad.id == "fits_distances" and bad.message.endswith(", with distance euclidean")
