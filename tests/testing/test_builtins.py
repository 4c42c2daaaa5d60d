"""The built-in plugins keep the contract that strangers are held to: a new one is tested by existing."""

import pytest

from vgbench.plugin.entry import HOME
from vgbench.plugin.registry import Registry
from vgbench.testing import Session

VARIANTS = [
    ("objective", "contrastive", "form=infonce", "negative_scope=same_layout"),
    ("objective", "iql", "n_step=3", "goal_scope=same_layout"),
    ("objective", "iql", "stride=4", "goal_last=episode"),
    ("objective", "prediction", "target=stopgrad"),
    ("objective", "prediction", "target=ema"),
    ("objective", "vcreg", "axes=batch_time", "cov_t=1"),
    ("distance", "iqe", "reduction=max"),
    ("distance", "two_level", "base=euclidean", "weight=3"),
    ("planner", "mppi", "iterations=3", "noise_hold=2", "temperature_as=absolute", "temperature=0.5"),
    ("planner", "mppi", "samples=1", "initial_noise=3", "warm_start=none"),
    ("planner", "mppi", "noise_beta=2", "noise_hold=2", "elites=5"),
    ("planner", "cem", "elites=3", "returns=best", "warm_start=none", "iterations=1"),
    ("planner", "cem", "elites=0.5", "noise_beta=1", "noise_hold=2", "momentum=0"),
    ("planner", "icem", "returns=mean", "keep=0", "carry=1", "decay=2", "iterations=6"),
    ("planner", "icem", "samples=3", "noise=2"),
    ("planner", "random", "hold=3", "norm=uniform"),
    ("network", "mlp", "residual=true"),
    ("network", "impala", "final_norm=layer", "channels=[4, 8]"),
    ("environment", "wall", "noise=0.5", "layout=per_trajectory"),
    ("environment", "wall", "collision=stop", "step=small", "policy=expert"),
    ("environment", "wall", "layout=per_trajectory", "training_layouts=50", "policy=stitch"),
]
"""Values under which other code runs."""

EXPECTED = {("planner", "mppi", "samples=1"): {"beats_random"}}
"""What a variant may fail: one sample cannot choose."""


# Network timm needs an extra and weights: `tests/plugins/networks/test_timm.py` checks it with some.
BUILT_IN = [e for e in Registry().entries() if e.dist == HOME and (e.kind, e.name) != ("network", "timm")]


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda e: f"{e.kind}-{e.name}")
def test_every_built_in_passes_all_checks(entry):
    outcomes = Session(entry).run()
    assert [(o.id, o.message, o.where) for o in outcomes if o.status in ("FAIL", "warn")] == []
    assert all(o.message for o in outcomes if o.status == "skip")
    assert sum(o.status == "ok" for o in outcomes) >= (5 if entry.kind == "logger" else 20)


@pytest.mark.parametrize(("kind", "name", "values"), [(k, n, v) for k, n, *v in VARIANTS], ids=lambda v: str(v))
def test_built_ins_with_other_values(kind, name, values):
    outcomes = Session.find(kind, name, [f"{name}.{value}" for value in values]).run()
    bad = {o.id: o.message for o in outcomes if o.status in ("FAIL", "warn")}
    assert set(bad) == EXPECTED.get((kind, name, values[0]), set()), bad
