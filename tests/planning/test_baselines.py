"""Uninformed baselines: random actions held as the planner holds its own, and the planner with random costs."""

import json

import pytest
import torch

from vgbench.api import NormBall
from vgbench.planning.controller import Controller
from vgbench.rng import Stream
from vgbench.settings import MpcSettings
from vgbench_plugins.planners.cem import CEM
from vgbench_plugins.planners.gradient import Gradient
from vgbench_plugins.planners.icem import ICEM
from vgbench_plugins.planners.mppi import MPPI
from vgbench_plugins.planners.random import Random

SETTINGS = MpcSettings(max_steps=20, replan_every=4)
PLANNERS = [
    MPPI(MPPI.Params(samples=16, horizon=6, noise=3.0)),
    CEM(CEM.Params(samples=16, horizon=6)),
    ICEM(ICEM.Params(samples=16, horizon=6)),
    Gradient(Gradient.Params(iterations=3, horizon=6)),
]


def controller(planner, seed=1, **more):
    return Controller(planner, None, NormBall(2, 2.0), SETTINGS, seed, **more)


def plan(made, count=3, step=0):
    return made.plan({"id": torch.arange(count)}, {}, step, 0)


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: type(planner).__name__)
def test_an_uninformed_planner_plans_without_a_model_and_counts_no_prediction(planner):
    made = controller(planner, uninformed=True)
    first = plan(made)
    assert first.actions.shape == (3, 6, 2) and bool(torch.isfinite(first.actions).all())
    assert made.evaluations == 0
    torch.testing.assert_close(plan(made, 2).actions, first.actions[:2])  # of each task's own numbers
    assert not torch.equal(plan(controller(planner, seed=2, uninformed=True)).actions, first.actions)


def test_its_candidates_are_those_of_the_planner_and_only_their_costs_are_others():
    """Of one candidate there is nothing to choose, whatever it costs: then both plan the same."""
    single = MPPI(MPPI.Params(samples=1, horizon=6, noise=3.0))
    blind = plan(controller(single, uninformed=True))
    problem = controller(single, stream=Stream.PLANNER)
    problem.simulate = lambda tasks: SteadyCost()
    torch.testing.assert_close(plan(problem).actions, blind.actions)


class SteadyCost:
    """A world in which every plan costs the same."""

    def rollout(self, actions):
        return [actions[:, :, 0]]

    def distance(self, reached):
        return torch.ones(reached.shape[:2])


def test_it_prefers_no_direction():
    """Over many tasks the first actions of its plans point everywhere."""
    first = plan(controller(PLANNERS[0], uninformed=True), count=4000).actions[:, 0]
    assert first.mean(dim=0).abs().max() < 0.06
    assert first.norm(dim=-1).mean() > 0.5


@pytest.mark.parametrize("planner", [MPPI(MPPI.Params(noise_hold=4)), CEM(CEM.Params(noise_hold=4))])
def test_random_actions_are_held_as_long_as_the_planners(planner):
    assert Random(Random.Params()).beside(planner).params.hold == 4
    assert Random(Random.Params(hold=2)).beside(planner).params.hold == 2
    actions = plan(controller(Random(Random.Params()).beside(planner))).actions  # four actions: one that is held
    torch.testing.assert_close(actions, actions[:, :1].expand(-1, 4, -1))
    alone = plan(controller(Random(Random.Params()))).actions
    assert not torch.equal(alone[:, 0], alone[:, 1])


def test_a_run_judges_both_on_its_tasks(vgbench_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    asked = ("run", "--env", "maze", "--recipe", "vf", "--scale", "smoke", "--format", "json", "--out")
    result = vgbench_cli(*asked, str(tmp_path / "run")).json()
    rates = {rate["planner"]: rate for rate in result["baselines"]}
    assert list(rates) == ["random", "uninformed"] and all(rate["n"] == 4 for rate in rates.values())
    assert result["baseline"] == max(rates.values(), key=lambda rate: rate["successes"])
    own = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()]
    for rate in rates.values():
        rows = [json.loads(line) for line in (tmp_path / "run" / rate["file"]).read_text().splitlines()]
        assert [row["start_distance"] for row in rows] == [row["start_distance"] for row in own]
        assert sum(row["success"] for row in rows) == rate["successes"]
    without = vgbench_cli(*asked, str(tmp_path / "other"), "--set", "evaluation.uninformed=false").json()
    assert [rate["planner"] for rate in without["baselines"]] == ["random"]
    blind = vgbench_cli(*asked, str(tmp_path / "blind"), "--planner", "random").json()
    assert blind["baselines"] == [] and blind["baseline"] is None
