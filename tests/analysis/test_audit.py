"""`vgbench audit`: a world with known answers, its rules, and what records say of tasks."""

import json
import os
from pathlib import Path

import pytest

from vgbench.analysis.audit import RULES, items
from vgbench.analysis.audit.rules import verdict

LOOP = """
    import numpy as np
    import torch

    from vgbench.api import ArraySpec, Box, Environment, EnvironmentSpec, StateGrid, Tasks, Trajectories


    class Loop(Environment):
        '''A point on a circle of length 24 that only moves forwards; the straight distance does not know the circle.'''

        api = 1
        capabilities = frozenset({"cost_to_go", "state_grid", "expert"})
        spec = EnvironmentSpec(
            state={"x": ArraySpec((1,))}, observations={"x": ArraySpec((1,))}, actions=Box((-1.0,), (1.0,))
        )
        success_radius = 0.8

        def step(self, state, action, noise=None):
            return {"x": (state["x"] + self.spec.actions.clip(action).clamp_min(0.0)) % 24}

        def observe(self, state):
            return {"x": state["x"]}

        def goal_distance(self, state, goal):
            return (state["x"] - goal["x"]).abs().squeeze(-1)

        def cost_to_go(self, state, goal):
            return ((goal["x"] - state["x"]) % 24).squeeze(-1)

        def expert(self, state, goal):
            return torch.ones_like(state["x"])

        def state_grid(self, state):
            x = torch.arange(240, dtype=torch.float32).unsqueeze(1) / 10
            ahead = (torch.arange(240) + 1) % 240

            def locate(other):
                index = (other["x"] * 10).round().long() % 240
                return index, torch.ones_like(other["x"])

            return StateGrid({"x": x}, ahead.unsqueeze(1), locate)

        def map_place(self, state):
            return torch.cat([state["x"], torch.zeros_like(state["x"])], 1)

        def collect(self, trajectories, length, seed, progress=None):
            rng = np.random.default_rng(seed)
            actions = rng.uniform(-1, 1, (trajectories, length - 1, 1)).astype(np.float32)
            start = rng.uniform(0, 24, (trajectories, 1, 1)).astype(np.float32)
            moves = np.cumsum(np.concatenate([start, np.maximum(actions, 0)], axis=1), axis=1)
            return Trajectories({"x": moves % 24}, {}, actions)

        def sample_tasks(self, count, seed, data):
            rng = np.random.default_rng(seed)
            low, high = rng.uniform(2, 8, (count, 1)), rng.uniform(12, 20, (count, 1))
            ahead = (np.arange(count) % 2 == 0)[:, None]
            start, goal = np.where(ahead, low, high), np.where(ahead, high, low)
            names = tuple("ahead" if n % 2 == 0 else "behind" for n in range(count))
            return Tasks({"x": torch.tensor(start).float()}, {"x": torch.tensor(goal).float()}, names)
"""
VALUES = ["data.trajectories=20", "data.length=20", "mpc.max_steps=60", "mppi.samples=64", "mppi.horizon=4"]


@pytest.fixture
def audit(vgbench_cli, tmp_plugin, tmp_path, monkeypatch):
    """Audit the generic protocol on the loop."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    tmp_plugin(LOOP, environments={"loop": "Loop"})

    def call(*options, protocol="generic"):
        sets = [word for value in VALUES for word in ("--set", value)]
        return vgbench_cli("audit", protocol, "--env", "loop", "--scale", "smoke", "--tasks", "20", *sets, *options)

    return call


def test_a_world_with_known_answers_is_not_admitted_since_chance_solves_it(audit, tmp_path):
    done = audit("--format", "json", "--out", tmp_path / "audit.json", "--plot", tmp_path / "audit.png")
    assert done.exit_code == 0, done.stderr
    record = done.json()
    assert record == json.loads((tmp_path / "audit.json").read_text())
    assert (tmp_path / "audit.png").read_bytes().startswith(b"\x89PNG")
    rungs = {row["name"]: row for row in record["rungs"]}
    straight = {name: part["success_rate"] for name, part in rungs["exact model, straight"]["strata"].items()}
    # Forwards leads there where the goal is ahead. Else the straight distance grows with each step, up to the end.
    assert straight["ahead"] == 1.0 and straight["behind"] < 0.5
    assert rungs["exact model, true value"]["success_rate"] == rungs["expert"]["success_rate"] == 1.0
    # Whoever only moves forwards passes the goal, whatever it knows.
    assert rungs["uninformed planner"]["success_rate"] > 0.8
    # Steps are held against the expert's: its own take no more than they take, and no one is above it.
    assert (rungs["expert"]["spl"], rungs["expert"]["timely"]) == (1.0, 1.0)
    for row in rungs.values():
        assert 0.0 <= row["spl"] <= row["success_rate"] and 0.0 <= row["timely"] <= row["success_rate"]
    rules = {rule["name"]: rule["verdict"] for rule in record["rules"]}
    assert rules["straight_fails"] == rules["true_value_solves"] == "passed" and rules["chance_fails"] == "failed"
    assert rules["informative"] == rules["spread"] == rules["agreement"] == "unknown"
    assert record["verdict"] == "not admitted" and record["seeds"] == {"data": 1000, "task": 1000}


def test_the_table_says_what_is_missing_and_the_verdict(audit):
    shown = audit().stdout
    assert "ahead" in shown and "behind" in shown
    assert "needs records of several recipes (--records DIR)" in shown
    assert shown.splitlines()[-1] == "generic: not admitted"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tasks", "0"), "--tasks 0: expected at least 1"),
        (("--out", "nowhere/audit.json"), "--out nowhere/audit.json: expected the name of a file in a folder"),
        (
            ("--records", "."),
            "--records: no finished run of protocol generic, scale smoke, variant tuned, data seed 1000, task seed "
            "1000 in .",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_played(audit, options, message):
    done = audit(*options)
    assert done.exit_code == 2 and message in done.stderr and "running" not in done.stderr
    assert not list(Path(os.environ["VGBENCH_CACHE"]).rglob("*.h5"))  # nor is anything collected


def test_only_records_of_the_audits_tasks_and_values_count(vgbench_cli, tmp_path, monkeypatch):
    """Two recipes as they are, one of other tasks, and one with another value."""
    monkeypatch.setenv("VGBENCH_CACHE", str(tmp_path / "cache"))
    small = ["mppi.samples=8", "mpc.max_steps=8", "evaluation.tasks=2", "train.steps=2"]
    asked = [word for value in small for word in ("--set", value)]
    run = ["run", "--protocol", "wall_big", "--scale", "smoke", "--data-seed", "1000", *asked]
    runs = {
        "vf": ["--recipe", "vf", "--task-seed", "1000"],
        "regressive": ["--recipe", "regressive", "--task-seed", "1000"],
        "others": ["--recipe", "contrastive", "--task-seed", "3"],
        "changed": ["--recipe", "pred_vcreg", "--task-seed", "1000", "--set", "mpc.power=3"],
    }
    for name, options in runs.items():
        done = vgbench_cli(*run, *options, "--out", tmp_path / "runs" / name)
        assert done.exit_code == 0, done.stderr
    done = vgbench_cli(
        "audit", "wall_big", "--scale", "smoke", "--records", tmp_path / "runs", "--format", "json", *asked
    )
    assert done.exit_code == 0, done.stderr
    record = done.json()
    assert sorted(row["recipe"] for row in record["recipes"]) == ["regressive", "vf"]
    keys = {json.loads((tmp_path / "runs" / name / "run.json").read_text())["key"] for name in ("vf", "regressive")}
    assert {about["key"] for about in record["records"]} == keys
    notes = " ".join(done.stderr.split())
    assert "others: data seed 1000 and task seed 3 make other tasks than the audit's" in notes
    assert "changed: mpc.power was 3.0, is now 1.0" in notes


# Four recipes on six tasks: a solves most, d least; the last task goes against the rest.
SOLVED = {
    0: {
        "a": (1, 1, 1, 1, 1, 0),
        "b": (1, 1, 1, 1, 0, 0),
        "c": (1, 1, 1, 0, 0, 0),
        "d": (1, 0, 0, 0, 0, 1),
    }
}


def test_items_of_a_table_worked_out_by_hand():
    # All solve the first task; the other five are solved by some and missed by some.
    assert items.informative(SOLVED) == pytest.approx(5 / 6)
    correlations = items.item_rest(SOLVED)
    assert len(correlations) == 5 and sum(x < 0 for x in correlations) == 1
    # The last task, (0, 0, 0, 1), against rests (5, 4, 3, 1): deviations (1.75, .75, -.25, -2.25), of squares 8.75,
    # and those of the item of .75; the product is -2.25.
    assert correlations[-1] == pytest.approx(-2.25 / (8.75 * 0.75) ** 0.5)
    assert items.against(SOLVED) == [(0, 5, 0.25, pytest.approx(correlations[-1]))]
    # Pairs differ on 1 (ab), 2 (ac), 5 (ad), 1 (bc), 4 (bd), 3 (cd) of 6 tasks: the median is 2.5.
    assert items.discordance(SOLVED) == pytest.approx(2.5 / 6)


def test_what_chance_makes_of_tasks_that_agree_is_what_simulated_ones_show():
    import numpy as np

    rng = np.random.default_rng(1)
    for abilities, tasks in (((-0.6, -0.2, 0.0, 0.3, 0.5), 400), ((-3, -1.5, 0, 1.5, 3), 400)):
        chances = 1 / (1 + np.exp(rng.normal(0, 1, tasks) - np.array(abilities)[:, None]))
        tables = [(rng.random(chances.shape) < chances).astype(float).tolist() for _ in range(20)]
        solved = [{0: dict(zip("abcde", table, strict=True))} for table in tables]
        shares = [np.mean([x < 0 for x in items.item_rest(one)]) for one in solved]
        assert items.expected_negative(solved[0]) == pytest.approx(np.mean(shares), abs=0.04)
    assert items.expected_negative({0: {"a": [1, 0], "b": [0, 1]}}) is None


def test_tasks_needed_are_those_that_mcnemars_test_needs():
    # A difference of .05 at discordance .075: (1.959964 sqrt(.075) + .841621 sqrt(.0725))^2 / .0025 = 233.07.
    assert items.tasks_needed(0.05, 0.075) == 234
    # Two recipes cannot differ in fewer tasks than their rates differ by.
    assert items.tasks_needed(0.2, 0.05) == items.tasks_needed(0.2, 0.2)
    # Simulated: the exact test finds a difference of .2 at discordance .4 with so many tasks about four times in five.
    import numpy as np
    from scipy.stats import binomtest

    rng, count = np.random.default_rng(0), items.tasks_needed(0.2, 0.4)
    tables = rng.multinomial(count, [0.3, 0.1, 0.6], 400)
    found = sum(binomtest(int(a), int(a + b)).pvalue < 0.05 for a, b, _ in tables) / len(tables)
    assert 0.7 < found < 0.87


RECORD = {
    "rungs": [
        {
            "name": "exact model, straight",
            "success_rate": 0.6,
            "strata": {"near": {"success_rate": 0.8}, "far": {"success_rate": 0.4}},
        },
        {"name": "exact model, true value", "success_rate": 0.95},
        {"name": "uninformed planner", "success_rate": 0.15},
    ],
    "items": {"informative": 0.4, "between": 4, "negative_item_rest": 0.1},
}


@pytest.mark.parametrize(
    ("place", "key", "value", "broken"),
    [
        (None, None, None, None),
        (("rungs", 0, "strata", "far"), "success_rate", 0.51, "straight_fails"),
        (("rungs", 1), "success_rate", 0.949, "true_value_solves"),
        (("rungs", 2), "success_rate", 0.151, "chance_fails"),
        (("items",), "informative", 0.39, "informative"),
        (("items",), "between", 3, "spread"),
        (("items",), "negative_item_rest", 0.11, "agreement"),
    ],
)
def test_each_rule_holds_at_its_bound_and_fails_beyond(place, key, value, broken):
    record = json.loads(json.dumps(RECORD))
    if place:
        part = record
        for step in place:
            part = part[step]
        part[key] = value
    judged = {rule.name: rule.judge(record)["verdict"] for rule in RULES}
    assert [name for name, found in judged.items() if found != "passed"] == ([broken] if broken else [])
    assert verdict([rule.judge(record) for rule in RULES]) == ("not admitted" if broken else "admitted")


def test_a_protocol_without_records_is_undecided_not_admitted():
    judged = [rule.judge(RECORD | {"items": None}) for rule in RULES]
    assert verdict(judged) == "undecided"
    assert {rule["name"]: rule.get("needs") for rule in judged}[
        "spread"
    ] == "records of several recipes (--records DIR)"
